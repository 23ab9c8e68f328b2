"""The bench on which Gatepost meets real mail programs.

    ground     folders, ports, waiting, processes
    enclosure  a private root in which a mail server runs with its default paths
    relays     Postfix, Exim and OpenSMTPD behind the gate
    forms      the forms in which mail is sent, and how each is told on the wire
    front      the door before the gates, where clients are overheard
    clients    the programs that send: swaks, msmtp, curl, smtplib, nodemailer, Net::SMTP, mutt, git send-email
    senders    Postfix and Exim in front
    everybody  the table of all of these, with what each cannot do
    wire       an SMTP client typed by hand, octet by octet
    recorder   a relay that writes down every octet, and breaks where it is told to
    gate       the gatepost process under test; GATEPOST=direct takes it out of the way
    mail       sample messages, and what "arrived identical" means
"""
