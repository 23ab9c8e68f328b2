"""What clients may ask of a relay, one capability at a time: it is offered, it works, and the message arrives."""

from __future__ import annotations

import pytest

from bench.gate import DIRECT, Gate
from bench.mail import message, text_of, unique
from bench.relays import RELAYS, Exim, Postfix, Relay
from bench.wire import NAME, Wire, stuffed

AUTHOR = "author@example.org"


def offering(keyword: str) -> pytest.MarkDecorator:
    """The relays that have an extension."""
    able = [kind for kind in RELAYS if keyword in kind.offers]
    return pytest.mark.parametrize("relay", able, ids=lambda kind: kind.name, indirect=True)


def on_the_wire(gate: Gate, recipient: str, sent: bytes, parameters: str = "") -> None:
    """One message by DATA."""
    with Wire(gate.port, patience=30) as wire:
        wire.greet()
        wire.envelope(AUTHOR, recipient, parameters=parameters)
        answer = wire.data(sent)
        assert answer.code == 250, answer
        wire.expect("QUIT", "221")


# Offers.


def test_what_the_relay_offers_is_offered_to_the_client(relay: Relay, gate: Gate) -> None:
    with Wire(gate.port) as wire:
        offered = wire.greet().keywords
    assert relay.offers <= offered, relay.offers - offered


@pytest.mark.usefixtures("through_the_gate")
def test_what_the_gate_does_not_understand_is_withheld(relay: Relay, gate: Gate) -> None:
    with Wire(gate.port) as wire:
        offered = wire.greet().keywords
    # Postfix offers ETRN, Exim PIPECONNECT, OpenSMTPD HELP; inbound mail needs none of these.
    understood = {"PIPELINING", "SIZE", "8BITMIME", "CHUNKING", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS"}
    assert offered <= understood | {"LIMITS"}, offered - understood


# Sizes.


@pytest.mark.parametrize("octets", [1, 1024, 65535, 65536, 65537, 1 << 20, 25 << 20])
def test_a_message_of_any_size_arrives(octets: int, relay: Relay, gate: Gate) -> None:
    recipient = unique("size") + "@example.com"
    sent = message(text_of(octets), recipient)
    on_the_wire(gate, recipient, sent, parameters=f" SIZE={len(sent)}" if "SIZE" in relay.offers else "")
    relay.maildir.one(recipient, within=60).assert_identical(sent)


# OpenSMTPD announces a limit and does not look at what MAIL announces; in front of it the gate does.
@pytest.mark.parametrize("relay", [Postfix, Exim] if DIRECT else RELAYS, ids=lambda kind: kind.name, indirect=True)
def test_a_message_beyond_the_limit_is_refused_by_its_announced_size(relay: Relay, gate: Gate) -> None:
    with Wire(gate.port) as wire:
        wire.greet()
        answers = [wire.say(f"MAIL FROM:<{AUTHOR}> SIZE={60 << 20}")]
        if answers[0].code == 250:  # the opinion on MAIL may be spoken at the recipient
            answers.append(wire.say("RCPT TO:<too-large@example.com>"))
        assert answers[-1].code == 552, answers


# Recipients.


def test_a_hundred_recipients_each_get_their_copy(relay: Relay, gate: Gate) -> None:
    recipients = [unique("hundred") + "@example.com" for _ in range(100)]
    sent = message(b"To all of you.\r\n")
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope(AUTHOR, *recipients)
        assert wire.data(sent).code == 250
    _assert_all_have_it(relay, recipients, sent)


def _assert_all_have_it(relay: Relay, recipients: list[str], sent: bytes) -> None:
    for recipient in recipients:
        relay.maildir.one(recipient).assert_identical(sent)


# Pipelining.


@offering("PIPELINING")
def test_an_envelope_in_one_segment_is_answered_in_order(relay: Relay, gate: Gate) -> None:
    recipients = [unique("pipelined") + "@example.com" for _ in range(20)]
    sent = message(b"In one go.\r\n")
    with Wire(gate.port) as wire:
        wire.greet()
        wanted = "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)
        wire.send(f"MAIL FROM:<{AUTHOR}>\r\n{wanted}DATA\r\n".encode())
        codes = [answer.code for answer in wire.replies(22)]
        assert codes == [250] * 21 + [354]
        wire.send(stuffed(sent) + b".\r\n")
        assert wire.reply().code == 250
    _assert_all_have_it(relay, recipients, sent)


@offering("PIPELINING")
def test_refused_recipients_keep_their_place_in_a_pipelined_envelope(relay: Relay, gate: Gate) -> None:
    recipient = unique("kept-place") + "@example.com"
    with Wire(gate.port) as wire:
        wire.greet()
        wire.send(
            f"MAIL FROM:<{AUTHOR}>\r\nRCPT TO:<a@elsewhere.test>\r\nRCPT TO:<{recipient}>\r\n"
            "RCPT TO:<b@elsewhere.test>\r\nDATA\r\n".encode()
        )
        classes = [answer.code // 100 for answer in wire.replies(5)]
        assert classes == [2, 5, 2, 5, 3]
        sent = message(b"For one of three.\r\n", recipient)
        wire.send(stuffed(sent) + b".\r\nQUIT\r\n")
        assert [answer.code for answer in wire.replies(2)] == [250, 221]
    relay.maildir.one(recipient).assert_identical(sent)


@offering("PIPELINING")
def test_content_terminator_and_quit_in_one_segment_are_kept_apart(relay: Relay, gate: Gate) -> None:
    recipient = unique("segment") + "@example.com"
    sent = message(b"Content, end and QUIT together.\r\n", recipient)
    with Wire(gate.port) as wire:
        wire.greet()
        wire.send(f"MAIL FROM:<{AUTHOR}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
        assert [answer.code for answer in wire.replies(3)] == [250, 250, 354]
        wire.send(stuffed(sent) + b".\r\nQUIT\r\n")
        assert [answer.code for answer in wire.replies(2)] == [250, 221]
        assert wire.ended()
    relay.maildir.one(recipient).assert_identical(sent)


@offering("PIPELINING")
def test_a_message_follows_the_end_of_the_last_one_in_the_same_segment(relay: Relay, gate: Gate) -> None:
    first, second = (unique("follows") + "@example.com" for _ in range(2))
    sent = {recipient: message(b"One of two.\r\n", recipient) for recipient in (first, second)}
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope(AUTHOR, first)
        wire.expect("DATA", "354")
        wire.send(
            stuffed(sent[first])
            + f".\r\nMAIL FROM:<{AUTHOR}>\r\nRCPT TO:<{second}>\r\nDATA\r\n".encode()
        )
        assert [answer.code for answer in wire.replies(4)] == [250, 250, 250, 354]
        wire.send(stuffed(sent[second]) + b".\r\n")
        assert wire.reply().code == 250
    for recipient in (first, second):
        relay.maildir.one(recipient).assert_identical(sent[recipient])


# Chunks.


def chunks_of(sent: bytes, cuts: list[int]) -> list[bytes]:
    """The message cut at these places."""
    edges = [0, *cuts, len(sent)]
    return [sent[a:b] for a, b in zip(edges, edges[1:])]


@offering("CHUNKING")
@pytest.mark.parametrize("closing", ["with its last chunk", "with an empty chunk"])
def test_a_message_in_chunks_arrives(closing: str, relay: Relay, gate: Gate) -> None:
    recipient = unique("chunks") + "@example.com"
    # Cut inside the header, inside a CRLF, and behind a dot at the beginning of a line. BDAT knows no stuffing.
    sent = message(b"One\r\n.\r\n..\r\n.x\r\nTwo\r\n", recipient)
    dot = sent.index(b"\r\n.\r\n")
    chunks = chunks_of(sent, [10, dot + 1, dot + 3, dot + 4])
    if closing == "with an empty chunk":
        chunks.append(b"")
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope(AUTHOR, recipient)
        for number, chunk in enumerate(chunks, 1):
            last = " LAST" if number == len(chunks) else ""
            wire.send(f"BDAT {len(chunk)}{last}\r\n".encode() + chunk)
            answer = wire.reply()
            assert answer.code == 250, answer
        wire.expect("QUIT", "221")
    relay.maildir.one(recipient).assert_identical(sent)


@offering("CHUNKING")
def test_chunks_pipelined_with_their_envelope_arrive(relay: Relay, gate: Gate) -> None:
    recipient = unique("chunks") + "@example.com"
    sent = message(text_of(5000), recipient)
    stream = f"MAIL FROM:<{AUTHOR}>\r\nRCPT TO:<{recipient}>\r\n".encode()
    stream += b"BDAT 1000\r\n" + sent[:1000] + f"BDAT {len(sent) - 1000} LAST\r\n".encode() + sent[1000:] + b"QUIT\r\n"
    with Wire(gate.port) as wire:
        wire.greet()
        wire.send(stream)
        assert [answer.code for answer in wire.replies(5)] == [250, 250, 250, 250, 221]
    relay.maildir.one(recipient).assert_identical(sent)


@offering("CHUNKING")
def test_chunks_for_nobody_are_swallowed_to_their_end(relay: Relay, gate: Gate) -> None:
    recipient = unique("after-chunks") + "@example.com"
    hidden = f"MAIL FROM:<hidden@example.org>\r\nRCPT TO:<{recipient}>\r\n".encode()
    with Wire(gate.port) as wire:
        wire.greet()
        wire.send(f"BDAT {len(hidden)} LAST\r\n".encode() + hidden)
        assert wire.reply().code // 100 == 5
        wire.expect("NOOP", "250")
        wire.envelope(AUTHOR, recipient)
        sent = message(b"The only one.\r\n", recipient)
        assert wire.data(sent).code == 250
    relay.maildir.one(recipient).assert_identical(sent)


@offering("CHUNKING")
def test_a_large_message_in_large_chunks_arrives(relay: Relay, gate: Gate) -> None:
    recipient = unique("large-chunks") + "@example.com"
    sent = message(text_of(5 << 20), recipient)
    with Wire(gate.port, patience=60) as wire:
        wire.greet()
        wire.envelope(AUTHOR, recipient)
        for chunk in (sent[: 3 << 20], sent[3 << 20 :]):
            last = " LAST" if sent.endswith(chunk) else ""
            wire.send(f"BDAT {len(chunk)}{last}\r\n".encode() + chunk)
            assert wire.reply().code == 250
    relay.maildir.one(recipient, within=60).assert_identical(sent)


# What content may hold.


@pytest.mark.parametrize("encoding", [" BODY=8BITMIME", ""], ids=["declared", "undeclared"])
@offering("8BITMIME")
def test_octets_above_127_arrive(encoding: str, relay: Relay, gate: Gate) -> None:
    recipient = unique("eight-bits") + "@example.com"
    every = bytes(range(128, 256))
    sent = message(b"Gr\xc3\xbc\xc3\x9fe\r\n" + every + b"\r\n", recipient)
    on_the_wire(gate, recipient, sent, parameters=encoding)
    relay.maildir.one(recipient).assert_identical(sent)


def test_lines_of_998_octets_arrive(relay: Relay, gate: Gate) -> None:
    recipient = unique("long-lines") + "@example.com"
    sent = message((b"x" * 998 + b"\r\n") * 3 + b"." + b"y" * 997 + b"\r\n", recipient)
    on_the_wire(gate, recipient, sent)
    relay.maildir.one(recipient).assert_identical(sent)


DOTS = [b".\r\n", b"..\r\n", b"...\r\n", b".x\r\n", b"x\r\n.\r\n", b"\r\n.\r\n\r\n", b"x.\r\n", b".\r\n.\r\n.\r\n"]


@pytest.mark.parametrize("body", DOTS, ids=repr)
def test_dots_at_line_starts_arrive(body: bytes, relay: Relay, gate: Gate) -> None:
    recipient = unique("dots") + "@example.com"
    sent = message(body, recipient)
    on_the_wire(gate, recipient, sent)
    relay.maildir.one(recipient).assert_identical(sent)


# Internationalised addresses.


@offering("SMTPUTF8")
def test_an_internationalised_address_arrives(relay: Relay, gate: Gate) -> None:
    recipient = unique("jürgen") + "@example.com"
    sent = message("Grüße\r\n".encode(), recipient, sender="böb@example.org")
    with Wire(gate.port) as wire:
        wire.greet()
        wire.expect("MAIL FROM:<böb@example.org> SMTPUTF8 BODY=8BITMIME", "250")
        wire.expect(f"RCPT TO:<{recipient}>", "25")
        assert wire.data(sent).code == 250
    relay.maildir.one(recipient).assert_identical(sent)


# Delivery status notifications.


@offering("DSN")
def test_a_requested_notification_comes_with_all_that_was_asked(relay: Relay, gate: Gate) -> None:
    recipient, author = unique("notify") + "@example.com", unique("wants-dsn") + "@example.com"
    sent = message(b"Tell me.\r\n", recipient, sender=author)
    with Wire(gate.port) as wire:
        wire.greet()
        wire.expect(f"MAIL FROM:<{author}> RET=HDRS ENVID=QQ314159+2B1", "250")
        wire.expect(f"RCPT TO:<{recipient}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bone@example.net", "25")
        assert wire.data(sent).code == 250
    relay.maildir.one(recipient).assert_identical(sent)
    notification = relay.maildir.one(author).smtp
    assert b"Tell me." not in notification, "RET=HDRS asks for the header alone"
    if relay.reports_in_full:
        assert b"QQ314159+2B1" in notification or b"QQ314159+1" in notification, "ENVID comes back"
        assert b"first+one@example.net" in notification.replace(b"+2B", b"+"), "ORCPT comes back"


@offering("DSN")
def test_no_notification_comes_where_none_was_asked(relay: Relay, gate: Gate) -> None:
    recipient, author = unique("notify") + "@example.com", unique("wants-no-dsn") + "@example.com"
    sent = message(b"Say nothing.\r\n", recipient, sender=author)
    with Wire(gate.port) as wire:
        wire.greet()
        wire.expect(f"MAIL FROM:<{author}>", "250")
        wire.expect(f"RCPT TO:<{recipient}> NOTIFY=NEVER", "25")
        assert wire.data(sent).code == 250
    relay.maildir.one(recipient).assert_identical(sent)
    assert not relay.maildir.now(author)


# Sessions.


def test_a_session_carries_many_messages(relay: Relay, gate: Gate) -> None:
    recipients = [unique("session") + "@example.com" for _ in range(20)]
    sent = {recipient: message(text_of(500 * number), recipient) for number, recipient in enumerate(recipients)}
    with Wire(gate.port) as wire:
        wire.greet()
        for recipient in recipients:
            wire.envelope(AUTHOR, recipient)
            assert wire.data(sent[recipient]).code == 250
        wire.expect("QUIT", "221")
    for recipient in recipients:
        relay.maildir.one(recipient).assert_identical(sent[recipient])


def test_a_session_without_ehlo_works_by_helo(relay: Relay, gate: Gate) -> None:
    recipient = unique("helo") + "@example.com"
    sent = message(recipient=recipient)
    with Wire(gate.port) as wire:
        assert wire.reply().code == 220
        wire.expect(f"HELO {NAME}", "250")
        wire.envelope(AUTHOR, recipient)
        assert wire.data(sent).code == 250
    relay.maildir.one(recipient).assert_identical(sent)


def test_rset_forgets_a_transaction_and_the_session_goes_on(relay: Relay, gate: Gate) -> None:
    forgotten, recipient = (unique("rset") + "@example.com" for _ in range(2))
    sent = message(recipient=recipient)
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope(AUTHOR, forgotten)
        wire.expect("RSET", "250")
        wire.envelope(AUTHOR, recipient)
        assert wire.data(sent).code == 250
    relay.maildir.one(recipient).assert_identical(sent)
    assert not relay.maildir.now(forgotten)


def test_verbs_and_keywords_in_any_case_are_understood(relay: Relay, gate: Gate) -> None:
    recipient = unique("case") + "@example.com"
    sent = message(recipient=recipient)
    with Wire(gate.port) as wire:
        assert wire.reply().code == 220
        wire.expect(f"eHlO {NAME}", "250")
        wire.expect(f"mail From:<{AUTHOR}> body=8bitmime size={len(sent)}", "250")
        wire.expect(f"Rcpt tO:<{recipient}>", "25")
        wire.expect("data", "354")
        wire.send(stuffed(sent) + b".\r\n")
        assert wire.reply().code == 250
        wire.expect("quit", "221")
    relay.maildir.one(recipient).assert_identical(sent)


# Bounces and the postmaster.


def test_a_bounce_with_the_null_sender_arrives(relay: Relay, gate: Gate) -> None:
    recipient = unique("bounce") + "@example.com"
    sent = message(b"Undeliverable.\r\n", recipient)
    on_the_wire_from_nobody(gate, recipient, sent)
    arrived = relay.maildir.one(recipient)
    arrived.assert_identical(sent)
    assert arrived.header("Return-Path") in ("<>", "")  # OpenSMTPD leaves the line out


def on_the_wire_from_nobody(gate: Gate, recipient: str, sent: bytes) -> None:
    """A message with the null reverse-path."""
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope("", recipient)
        assert wire.data(sent).code == 250


def test_postmaster_without_a_domain_gets_mail(relay: Relay, gate: Gate) -> None:
    sent = message(b"To whom it concerns.\r\n", "postmaster@example.com")
    before = len(relay.maildir.now(relay.postmaster))
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope(AUTHOR, "Postmaster")
        assert wire.data(sent).code == 250
    relay.maildir.wait(relay.postmaster, before + 1)[-1].assert_identical(sent)
