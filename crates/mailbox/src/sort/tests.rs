//! Passes over keys that do not fit: the same order as in one.

use super::*;

#[test]
fn several_passes_are_one_order() {
    let path = tempfile::tempdir().unwrap();
    let (file, key, id) =
        (path.path().join("m.db"), vault::MailboxKey::generate().unwrap(), model::MailboxId::from_bytes([7; 12]));
    let options = crate::Options::default();
    crate::create(&file, &key, &id, (options.clock)()).unwrap();
    let mut writer = crate::Writer::open(&file, &key, &id, &options).unwrap();
    let inbox = model::FolderName::inbox();
    let mut batch = writer.batch().unwrap();
    for n in 0..40u32 {
        let text = format!("Subject: {}\r\nFrom: {}@x\r\n\r\n", n * 7 % 10, n % 3);
        let content = crate::Content::from_bytes(text.as_bytes()).unwrap();
        let append = crate::Append {
            folder: (&inbox).into(),
            flags: model::Flags::NONE,
            keywords: &[],
            internal_date: jiff::Timestamp::from_second(i64::from(n)).unwrap(),
            content,
            delivery: None,
            token: None,
        };
        batch.run(|tx| tx.append(append)).unwrap();
    }
    batch.commit().unwrap();
    let reader = Reader::open(&file, &key, &id, &options).unwrap();
    let state = reader.select(&inbox).unwrap();
    let criteria = vec![
        SortCriterion { field: SortField::Subject, reverse: true },
        SortCriterion { field: SortField::From, reverse: false },
    ];
    let all = |kept_bytes_max, budget| {
        let mut cursor = SortCursor::within(state.uids.clone(), criteria.clone(), kept_bytes_max);
        let mut sorted = Vec::new();
        loop {
            let step = reader.sort(state.folder, &mut cursor, budget).unwrap();
            sorted.extend(step.sorted.iter().map(|uid| uid.get()));
            if step.done {
                return sorted;
            }
        }
    };
    let mut expected: Vec<u32> = (0..40).collect();
    expected.sort_by_key(|n| (9 - n * 7 % 10, n % 3, *n));
    let expected: Vec<u32> = expected.into_iter().map(|n| n + 1).collect();
    assert_eq!(all(SORT_BYTES_MAX, 1000), expected);
    assert_eq!(all(SORT_BYTES_MAX, 7), expected);
    assert_eq!(all(300, 7), expected);
    assert_eq!(all(1, 1000), expected);
}
