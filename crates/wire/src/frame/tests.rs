//! Frames round trip, and each limit answers with its own error.

use super::*;
use proptest::prelude::*;
use session::{Fetched, FetchedMessage, Search, SearchAnd, SectionData, Upload};

const ID: FrameId = FrameId { request: 7, session: 3 };

fn client(body: client_frame::Body) -> ClientFrame {
    ClientFrame { request: ID.request, session: ID.session, body: Some(body) }
}

fn key(key: search_key::Key) -> SearchKey {
    SearchKey { key: Some(key) }
}

fn nested(depth: usize) -> SearchKey {
    (1..depth).fold(key(search_key::Key::All(true)), |inner, _| key(search_key::Key::Not(Box::new(inner))))
}

fn search(search_key: SearchKey) -> ClientFrame {
    client(client_frame::Body::Search(Search { folder: 1, key: Some(search_key) }))
}

#[test]
fn a_frame_round_trips_without_copying_its_data() {
    let frame = client(client_frame::Body::Upload(Upload {
        data: Bytes::from(vec![9; CHUNK_BYTES_MAX]),
        last: true,
        ..Upload::default()
    }));
    let bytes = encode(&frame).unwrap();
    let back: ClientFrame = decode(bytes.clone()).unwrap();
    assert_eq!(back, frame);
    let Some(client_frame::Body::Upload(upload)) = back.body else { panic!("not an upload") };
    assert!(bytes.as_ptr_range().contains(&upload.data.as_ptr()));
}

#[test]
fn no_verb_and_a_later_verb_are_told_with_the_request() {
    let none = ClientFrame { request: 7, session: 3, body: None };
    assert_eq!(encode(&none), Err(FrameError::UnknownVerb { id: ID }));
    // Field 99, length-delimited, empty: a verb that this version does not have.
    let mut later = none.encode_to_vec();
    later.extend([0x9a, 0x06, 0x00]);
    let error = decode::<ClientFrame>(later.into()).unwrap_err();
    assert_eq!(error, FrameError::UnknownVerb { id: ID });
    assert_eq!(error.failure().code(), session::FailureCode::UnknownVerb);
    let silent = ServerFrame { request: 7, session: 3, last: true, body: None };
    assert_eq!(decode::<ServerFrame>(silent.encode_to_vec().into()), Err(FrameError::UnknownVerb { id: ID }));
}

#[test]
fn a_broken_body_is_told_with_the_request() {
    let mut bytes = ClientFrame { request: 7, session: 3, body: None }.encode_to_vec();
    // Field 22 (Delete): 2 bytes, in which field 1 claims 5.
    bytes.extend([0xb2, 0x01, 0x02, 0x0a, 0x05]);
    assert_eq!(decode::<ClientFrame>(bytes.into()), Err(FrameError::MalformedBody { id: ID }));
    assert_eq!(decode::<ClientFrame>(Bytes::from_static(&[0xff; 4])), Err(FrameError::Malformed));
}

#[test]
fn limits_of_bytes() {
    let too_much = Upload { data: Bytes::from(vec![0; CHUNK_BYTES_MAX + 1]), last: false, ..Upload::default() };
    let frame = client(client_frame::Body::Upload(too_much));
    let error = FrameError::DataTooBig { id: ID, bytes: CHUNK_BYTES_MAX + 1 };
    assert_eq!(encode(&frame), Err(error.clone()));
    assert_eq!(decode::<ClientFrame>(frame.encode_to_vec().into()), Err(error));
    let section = SectionData { data: Bytes::from(vec![0; CHUNK_BYTES_MAX]), ..Default::default() };
    let message = FetchedMessage { uid: 1, sections: vec![section.clone(), section], ..Default::default() };
    let body = server_frame::Body::Fetched(Fetched { messages: vec![message], columns: None });
    let frame = ServerFrame { request: 7, session: 3, last: false, body: Some(body) };
    assert_eq!(encode(&frame), Err(FrameError::DataTooBig { id: ID, bytes: 2 * CHUNK_BYTES_MAX }));
    let huge = Bytes::from(vec![0; FRAME_BYTES_MAX + 1]);
    assert_eq!(decode::<ClientFrame>(huge), Err(FrameError::TooBig { bytes: FRAME_BYTES_MAX + 1 }));
}

#[test]
fn limits_of_a_search() {
    let problem = |frame: &ClientFrame| match decode::<ClientFrame>(frame.encode_to_vec().into()) {
        Err(FrameError::Search { id: ID, problem }) => Some(problem),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(problem(&search(nested(SEARCH_DEPTH_MAX))), None);
    assert_eq!(problem(&search(nested(SEARCH_DEPTH_MAX + 1))), Some(SearchProblem::TooDeep));
    let wide = |keys| key(search_key::Key::AllOf(SearchAnd { keys: vec![key(search_key::Key::All(true)); keys] }));
    assert_eq!(problem(&search(wide(SEARCH_KEYS_MAX - 1))), None);
    assert_eq!(problem(&search(wide(SEARCH_KEYS_MAX))), Some(SearchProblem::TooMany));
    assert_eq!(problem(&search(SearchKey { key: None })), Some(SearchProblem::Empty));
    assert_eq!(
        problem(&client(client_frame::Body::Search(Search { folder: 1, key: None }))),
        Some(SearchProblem::Empty)
    );
    // Deeper than protobuf itself follows: the body is malformed, the request is told.
    let frame = search(nested(200));
    let error = decode::<ClientFrame>(frame.encode_to_vec().into());
    assert_eq!(error, Err(FrameError::MalformedBody { id: ID }));
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frame) = decode::<ClientFrame>(bytes.clone().into()) {
            prop_assert_eq!(decode::<ClientFrame>(encode(&frame).unwrap()), Ok(frame));
        }
        if let Ok(frame) = decode::<ServerFrame>(bytes.into()) {
            prop_assert_eq!(decode::<ServerFrame>(encode(&frame).unwrap()), Ok(frame));
        }
    }
}
