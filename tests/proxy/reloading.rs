//! SIGHUP to a gate that runs: what its files say now holds for whoever comes, or nothing of it.

use crate::examples::{Example, Running};
use crate::support::{Relay, wait_until};
use std::fs;

/// A copy of the sidecar whose rules say this, too.
fn say(example: &Example, more: &str) {
    let rules = example.file("mx.toml");
    let text = fs::read_to_string(&rules).unwrap();
    let before = text.split("\n# later\n").next().unwrap();
    fs::write(rules, format!("{before}\n# later\n{more}")).unwrap();
}

fn reads(gate: &Running, result: &str, times: u32) {
    gate.hang_up();
    let counted = format!("gatepost_config_reloads_total{{result=\"{result}\"}} {times}");
    wait_until(&counted, || gate.get("/metrics").contains(&counted));
}

/// What is heard of a command before any recipient.
fn hears(gate: &Running, command: &str, code: &str) {
    let mut client = gate.client().greeted();
    client.expect(command, code);
}

#[test]
fn rules_that_break_a_promise_are_not_taken_whoever_made_it() {
    let relay = Relay::polite();
    let example = Example::copy("sidecar", &[], &[]);
    let gate = example.start("gatepost.toml", relay.address);
    hears(&gate, "VRFY anna", "252");

    // Only the parent promises that these pass.
    let when = r#"when = { "mail.local" = "o'brien" }"#;
    let rule = "id = \"odd\"\non = \"MAIL\"\nthen = \"reject\"\nreply = \"550 5.7.1 No\"\n";
    let refusing = format!("[[rule]]\n{rule}{when}\n");
    say(&example, &format!("[verbs]\nVRFY = {{ reply = \"252 2.5.0 New\" }}\n{refusing}"));
    reads(&gate, "refused", 1);
    hears(&gate, "VRFY anna", "252 2.5.0 Cannot");

    let dialogue = "C> EHLO client.test\nC< 250*\nC> NOOP\nC< 550*\n";
    let promise = format!("[[expect]]\nname = \"no NOOP\"\ndialogue = \"\"\"\n{dialogue}\"\"\"\n");
    say(&example, &format!("[verbs]\nVRFY = {{ reply = \"252 2.5.0 New\" }}\n{promise}"));
    reads(&gate, "refused", 2);
    hears(&gate, "VRFY anna", "252 2.5.0 Cannot");

    say(&example, "[verbs]\nVRFY = { reply = \"252 2.5.0 New\" }\n");
    reads(&gate, "accepted", 1);
    hears(&gate, "VRFY anna", "252 2.5.0 New");
}
