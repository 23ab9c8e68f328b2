//! What holds for every row of the table.

use super::*;

#[test]
fn names_are_unique_and_in_snake_case() {
    for (place, violation) in Violation::ALL.iter().enumerate() {
        assert_eq!(violation.index(), place);
        let name = violation.facts().name;
        assert!(name.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'), "{name}");
        assert_eq!(Violation::from_name(name), Some(*violation));
    }
}

#[test]
fn framing_and_the_relays_faults_end_the_conversation_and_grammar_does_not() {
    for facts in Violation::ALL.iter().map(|violation| violation.facts()) {
        match facts.kind {
            Kind::Framing | Kind::Relay => {
                assert_eq!(facts.response, Response::Disconnect, "{}", facts.name);
            }
            Kind::Grammar => assert_eq!(facts.response, Response::Reject, "{}", facts.name),
            Kind::Conduct => {}
        }
    }
}

#[test]
fn a_set_lists_what_was_put_in() {
    let mut set = Violations::NONE;
    assert!(set.is_empty());
    set.insert(Violation::SourceRoute);
    set.insert(Violation::ExtraSpace);
    set.insert(Violation::ExtraSpace);
    assert_eq!(set.iter().collect::<Vec<_>>(), [Violation::ExtraSpace, Violation::SourceRoute]);
}
