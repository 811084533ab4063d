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

mod any_answer {
    //! Any answer at all, as octets that the library reads: it ends, within its bounds, and is secure only where every step is.

    use super::*;
    use crate::cache::Found;
    use crate::records::from_wire;
    use hickory_resolver::proto::rr::rdata::{AAAA, MX, NULL, PTR, SRV, TXT};
    use hickory_resolver::proto::serialize::binary::BinDecodable;
    use proptest::prelude::*;

    const NAMES: [&str; 6] = ["a.example.", "A.example.", "b.example.", "*.example.", "example.", "."];
    const KINDS: [Kind; 7] = [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Ptr, Kind::Srv, Kind::Tlsa, Kind::Txt];
    const PROOFS: [Proof; 4] = [Proof::Secure, Proof::Insecure, Proof::Indeterminate, Proof::Bogus];

    fn any_name() -> impl Strategy<Value = Name> {
        let odd = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..20), 1..5)
            .prop_map(|labels| Name::from_labels(labels).unwrap());
        prop_oneof![4 => proptest::sample::select(&NAMES[..]).prop_map(name), 1 => odd]
    }

    fn any_data() -> impl Strategy<Value = RData> {
        let octets = || proptest::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            3 => any_name().prop_map(|to| RData::CNAME(CNAME(to))),
            1 => any::<[u8; 4]>().prop_map(|octets| RData::A(A(octets.into()))),
            1 => any::<[u8; 16]>().prop_map(|octets| RData::AAAA(AAAA(octets.into()))),
            1 => (any::<u16>(), any_name()).prop_map(|(preference, host)| RData::MX(MX::new(preference, host))),
            1 => any_name().prop_map(|host| RData::PTR(PTR(host))),
            1 => (any::<u16>(), any_name()).prop_map(|(number, host)| RData::SRV(SRV::new(number, 1, 2, host))),
            1 => octets().prop_map(|text| RData::TXT(TXT::from_bytes(vec![&text]))),
            1 => proptest::collection::vec(any::<u8>(), 1..40).prop_map(|octets| RData::NULL(NULL::with(octets))),
            1 => any_name().prop_map(|host| RData::SOA(SOA::new(host.clone(), host, 1, 1, 1, 1, 30))),
        ]
    }

    fn any_record() -> impl Strategy<Value = (Name, u32, RData)> {
        (any_name(), any::<u32>(), any_data())
    }

    /// The octets of an answer, of which some are something else.
    fn any_octets() -> impl Strategy<Value = Vec<u8>> {
        let records = || proptest::collection::vec(any_record(), 0..12);
        let flips = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3);
        (records(), records(), any::<u8>(), flips).prop_map(|(answers, authorities, code, flips)| {
            let mut message = Message::response(1, OpCode::Query);
            message.add_query(Query::query(name("a.example."), Kind::A.wire()));
            message.metadata.response_code = ResponseCode::from(0, code % 6);
            let made = |(owner, ttl, data)| Record::from_rdata(owner, ttl, data);
            message.answers = answers.into_iter().map(made).collect();
            message.authorities = authorities.into_iter().map(made).collect();
            let mut octets = message.to_vec().unwrap_or_default();
            for (at, octet) in flips {
                if !octets.is_empty() {
                    let at = at.index(octets.len());
                    octets[at] = octet;
                }
            }
            octets
        })
    }

    proptest! {
        #[test]
        fn ends_within_its_bounds(
            octets in any_octets(),
            proofs in proptest::collection::vec(proptest::sample::select(&PROOFS[..]), 24),
            kind in proptest::sample::select(&KINDS[..]),
            validating in any::<bool>(),
            unproven in any::<bool>(),
        ) {
            let Ok(mut message) = Message::from_bytes(&octets) else { return Ok(()) };
            let mut proofs = proofs.into_iter().cycle();
            for record in message.answers.iter_mut().chain(&mut message.authorities) {
                record.proof = proofs.next().unwrap();
            }
            let all_secure = message.answers.iter().all(|record| record.proof == Proof::Secure);
            let none_secure = !message.answers.iter().any(|record| record.proof == Proof::Secure);
            let message = Box::new(message);
            let answered = if unproven { Answered::Unproven(message) } else { Answered::Message(message) };
            let mut chase = Chase::new(name("a.example."), kind, validating);
            let Step::Done(outcome) = chase.take(answered) else {
                // It led somewhere else, and not for ever.
                prop_assert!((1..=CNAMES_MAX).contains(&chase.cnames));
                return Ok(());
            };
            prop_assert!((TTL_MIN..=TTL_MAX).contains(&outcome.ttl));
            prop_assert!(!outcome.secure || (validating && !none_secure && outcome.result.is_ok()));
            if let Ok(records) = &outcome.result {
                prop_assert!((1..=RECORDS_MAX).contains(&records.len()));
                prop_assert!(!validating || !all_secure || outcome.secure);
                let text = records.iter().map(|record| if let Data::Txt(text) = record { text.len() } else { 0 });
                prop_assert!(text.sum::<usize>() <= TXT_BYTES_MAX);
            }
            // What front-ends share of it is what it was.
            if let Some(canonical) = from_wire(chase.name()) {
                // For as long as anything is: what expired meanwhile is not taken over.
                let found = Found::new(outcome.result, outcome.secure, canonical, TTL_MAX);
                let shared = Found::decode(&found.encode().unwrap());
                prop_assert!(shared.as_ref().is_none_or(|shared| !shared.secure));
                prop_assert!(!found.is_to_share() || shared == Some(found));
            }
        }
    }
}
