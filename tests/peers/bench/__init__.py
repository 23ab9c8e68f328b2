"""The bench on which Gatepost meets real mail programs.

    ground     folders, ports, waiting, processes
    enclosure  a private root in which a mail server runs with its default paths
    relays     Postfix, Exim and OpenSMTPD behind the gate
    papers     certificates: a CA of the bench, and what it signs
    keepers    Postfix, Exim and Dovecot as relays that ask who sends, with TLS of their own
    forms      the forms in which mail is sent, and how each is told on the wire
    front      the door before the gates, where clients are overheard
    clients    the programs that send: swaks, msmtp, curl, smtplib, nodemailer, Net::SMTP, mutt, git send-email
    senders    Postfix and Exim in front
    everybody  the table of all of these, with what each cannot do
    door       a way in for those who have an account: TLS, a mechanism
    callers    how clients are told to come by a door
    satellites Postfix and Exim with an account at a smarthost
    members    the table of those who have an account
    meddler    somebody between gate and relay
    scanners   sslscan, testssl.sh and nmap, who look for weak spots
    wire       an SMTP client typed by hand, octet by octet
    recorder   a relay that writes down every octet, and breaks where it is told to
    gate       the gatepost process under test; GATEPOST=direct takes it out of the way
    mail       sample messages, and what "arrived identical" means
"""
