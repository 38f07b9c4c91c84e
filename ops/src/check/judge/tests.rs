use std::collections::BTreeSet;

use rohrpost_localnet::{Plan, PlanOptions};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::roster::SuiteName;

use super::*;

/// What every node of a network in good order shows, and what the judge says after a change of that.
fn problems(change: impl FnOnce(&mut [Sight])) -> Vec<(String, Vec<String>)> {
    let directory = tempfile::tempdir().expect("a directory");
    Plan::make(directory.path(), &PlanOptions::new(SuiteName::Classic)).expect("files");
    let network = Network::open(directory.path()).expect("a network");
    let nodes: BTreeSet<_> = network.roster.nodes().map(|node| node.number).collect();
    let mut seen: Vec<_> = network.roster.nodes().map(|node| sight(node, &nodes)).collect();
    change(&mut seen);
    let findings = all(&network, &seen).into_iter();
    let unwell = findings.filter(|finding| !finding.problems.is_empty());
    unwell.map(|finding| (finding.of, finding.problems)).collect()
}

fn sight(node: &RosterNode, nodes: &BTreeSet<NodeNumber>) -> Sight {
    let (slot, hash) = (Slot::new(7), DocumentHash::new([1; 32]));
    let mut shown = Shown::default();
    if node.role == Role::Relay {
        shown = Shown {
            ahead: Some(3),
            newer: None,
            has_roster: true,
            newest: Some(Newest { slot, age: Duration::from_secs(9), nodes: nodes.clone() }),
            documents: BTreeMap::from([(slot, hash)]),
        };
    }
    Sight { node: node.clone(), reached: Ok(Duration::from_millis(4)), shown }
}

/// The one problem that there is, and whose.
fn problem(change: impl FnOnce(&mut [Sight])) -> (String, String) {
    let found = problems(change);
    let [(of, problems)] = &found[..] else { panic!("{found:?}") };
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    (of.clone(), problem.clone())
}

fn named<'a>(seen: &'a mut [Sight], name: &str) -> &'a mut Sight {
    seen.iter_mut().find(|sight| sight.node.name == name).expect("a node")
}

#[test]
fn nothing_is_said_against_a_network_in_good_order() {
    assert_eq!(problems(|_| {}), []);
}

#[test]
fn a_node_that_does_not_answer_is_named_with_the_reason() {
    let (of, problem) = problem(|seen| {
        named(seen, "mix-2-east").reached = Err("nothing came back.".to_owned());
    });
    assert_eq!(of, "mix-2-east");
    assert!(problem.starts_with("nothing came back."), "{problem}");
}

#[test]
fn a_node_that_answers_and_that_no_document_names_is_a_problem() {
    let (of, problem) = problem(|seen| {
        let absent = named(seen, "mix-1-north").node.number;
        for newest in seen.iter_mut().filter_map(|sight| sight.shown.newest.as_mut()) {
            newest.nodes.remove(&absent);
        }
    });
    assert_eq!(of, "mix-1-north");
    assert!(problem.contains("document is without it"), "{problem}");
}

#[test]
fn two_documents_of_one_slot_are_a_split_network() {
    let (of, problem) = problem(|seen| {
        let other = DocumentHash::new([2; 32]);
        named(seen, "relay-west").shown.documents.insert(Slot::new(7), other);
    });
    assert_eq!(of, "relay-west");
    assert!(problem.contains("is split"), "{problem}");
}

#[test]
fn a_relay_with_an_old_document_is_a_problem() {
    let (of, problem) = problem(|seen| {
        let newest = named(seen, "relay-south").shown.newest.as_mut().expect("a document");
        (newest.slot, newest.age) = (Slot::new(6), Duration::from_secs(181));
    });
    assert_eq!(of, "relay-south");
    assert!(problem.contains("181 s old"), "{problem}");
}

#[test]
fn a_clock_that_differs_from_the_relays_is_a_problem_of_its_relay_and_not_of_the_others() {
    let (of, problem) = problem(|seen| named(seen, "relay-east").shown.ahead = Some(-6_000));
    assert_eq!(of, "relay-east");
    assert!(problem.contains("-6003 ms off"), "{problem}");
}

#[test]
fn a_clock_that_differs_from_all_relays_is_a_problem_of_this_machine() {
    let (of, problem) = problem(|seen| {
        for ahead in seen.iter_mut().filter_map(|sight| sight.shown.ahead.as_mut()) {
            *ahead += 9_000;
        }
    });
    assert_eq!(of, "files here");
    assert!(problem.contains("9 s behind the relays'"), "{problem}");
}
