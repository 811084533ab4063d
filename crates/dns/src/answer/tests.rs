//! Answers as no honest server gives them; what honest ones give is tested against real ones.

use super::*;
use hickory_resolver::proto::op::{OpCode, Query};
use hickory_resolver::proto::rr::rdata::{A, CNAME, SOA};
use std::str::FromStr;

fn name(text: &str) -> Name {
    Name::from_str(text).unwrap()
}

fn record(owner: &str, ttl: u32, data: RData, proof: Proof) -> Record {
    let mut record = Record::from_rdata(name(owner), ttl, data);
    record.proof = proof;
    record
}

fn address(owner: &str, ttl: u32, proof: Proof) -> Record {
    record(owner, ttl, RData::A(A::new(192, 0, 2, 1)), proof)
}

fn alias(owner: &str, target: &str, proof: Proof) -> Record {
    record(owner, 60, RData::CNAME(CNAME(name(target))), proof)
}

fn soa(owner: &str, proof: Proof) -> Record {
    let soa = SOA::new(name("ns.test."), name("host.test."), 1, 1, 1, 1, 30);
    record(owner, 60, RData::SOA(soa), proof)
}

fn message(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Answered {
    let mut message = Message::response(1, OpCode::Query);
    message.add_query(Query::query(name("a.example."), Kind::A.wire()));
    message.metadata.response_code = code;
    message.answers = answers;
    message.authorities = authorities;
    Answered::Message(Box::new(message))
}

fn take(answered: Answered, validating: bool) -> Step {
    Chase::new(name("a.example."), Kind::A, validating).take(answered)
}

fn ended(answered: Answered, validating: bool) -> (Result<usize, LookupError>, bool, u64) {
    match take(answered, validating) {
        Step::Done(outcome) => (outcome.result.map(|found| found.len()), outcome.secure, outcome.ttl.as_secs()),
        Step::Ask => panic!("an end"),
    }
}

const OK: ResponseCode = ResponseCode::NoError;

#[test]
fn proofs_and_times() {
    let answer = |proof| message(OK, vec![address("A.example.", 60, proof)], vec![]);
    assert_eq!(ended(answer(Proof::Secure), true), (Ok(1), true, 60));
    assert_eq!(ended(answer(Proof::Insecure), true), (Ok(1), false, 60));
    assert_eq!(ended(answer(Proof::Indeterminate), true), (Ok(1), false, 60));
    assert_eq!(ended(answer(Proof::Bogus), true), (Err(LookupError::Bogus), false, 5));
    assert_eq!(ended(answer(Proof::Bogus), false), (Ok(1), false, 60));
    let of = |ttl| ended(message(OK, vec![address("a.example.", ttl, Proof::Secure)], vec![]), true).2;
    assert_eq!((of(0), of(3600), of(u32::MAX)), (5, 3600, 86_400));
    // One insecure or bogus step on the way is enough.
    let via =
        |step, end| message(OK, vec![alias("a.example.", "b.example.", step), address("b.example.", 9, end)], vec![]);
    assert_eq!(ended(via(Proof::Secure, Proof::Secure), true), (Ok(1), true, 9));
    assert_eq!(ended(via(Proof::Insecure, Proof::Secure), true), (Ok(1), false, 9));
    assert_eq!(ended(via(Proof::Bogus, Proof::Secure), true), (Err(LookupError::Bogus), false, 5));
}

#[test]
fn records_of_other_names_are_not_taken() {
    let stray = message(OK, vec![address("b.example.", 60, Proof::Secure)], vec![]);
    assert_eq!(ended(stray, false), (Err(LookupError::NoRecords), false, 60));
}

#[test]
fn loops_within_one_answer_end() {
    let turn =
        || vec![alias("a.example.", "b.example.", Proof::Secure), alias("b.example.", "a.example.", Proof::Secure)];
    assert_eq!(ended(message(OK, turn(), vec![]), true), (Err(LookupError::Failed), false, 5));
    let on = message(OK, vec![alias("a.example.", "b.example.", Proof::Secure)], vec![]);
    assert!(matches!(take(on, true), Step::Ask));
}

#[test]
fn denials() {
    let denied = |authorities| message(ResponseCode::NXDomain, vec![], authorities);
    assert_eq!(ended(denied(vec![soa("example.", Proof::Secure)]), true), (Err(LookupError::NoSuchName), false, 30));
    assert_eq!(ended(denied(vec![]), false), (Err(LookupError::NoSuchName), false, 60));
    // An unsigned zone's word counts for its own names.
    assert_eq!(ended(denied(vec![soa("example.", Proof::Insecure)]), true).0, Err(LookupError::NoSuchName));
    assert_eq!(ended(denied(vec![soa("unsigned.", Proof::Insecure)]), true).0, Err(LookupError::Bogus));
    assert_eq!(ended(denied(vec![soa("unsigned.", Proof::Insecure)]), false).0, Err(LookupError::NoSuchName));
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr, ResponseCode::NotImp] {
        assert_eq!(ended(message(code, vec![], vec![]), true), (Err(LookupError::Failed), false, 5));
    }
}

#[test]
fn of_a_denial_without_proof_only_what_was_signed_counts() {
    let unproven = |answers| match message(OK, answers, vec![]) {
        Answered::Message(message) => Answered::Unproven(message),
        other => other,
    };
    assert_eq!(ended(unproven(vec![]), true).0, Err(LookupError::Bogus));
    assert_eq!(ended(unproven(vec![address("a.example.", 60, Proof::Secure)]), true), (Ok(1), true, 60));
    assert!(matches!(take(unproven(vec![alias("a.example.", "b.example.", Proof::Secure)]), true), Step::Ask));
    assert_eq!(ended(unproven(vec![alias("a.example.", "b.example.", Proof::Bogus)]), true).0, Err(LookupError::Bogus));
}
