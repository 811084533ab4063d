//! The differences that are known, each with the section that says why Brevdue's answer is right, or that both are.

use crate::compare::Difference;
use crate::script::Step;
use std::collections::BTreeSet;

/// What is known about a difference when it is looked up here.
pub struct Case<'a> {
    /// The command.
    pub step: &'a Step,
    /// Its name, with UID.
    pub name: String,
    /// Whether the folder was opened read-only.
    pub read_only: bool,
    /// The corpus's name of the message it is about, or of every message that is found by one server only.
    pub letters: Vec<String>,
    /// The difference.
    pub difference: &'a Difference,
}

/// A known difference.
pub struct Known {
    /// The RFC and section.
    pub rfc: &'static str,
    /// What Dovecot does, and why Brevdue does not.
    pub why: &'static str,
    applies: fn(&Case<'_>) -> bool,
}

/// All of them.
pub const KNOWN: &[Known] = &[
    Known {
        rfc: "3501 §6.3.2",
        why: "STORE and EXPUNGE after EXAMINE are OK with Dovecot and do nothing; a change that was not made is NO here",
        applies: |case| {
            let changes = ["STORE", "UID STORE", "EXPUNGE", "UID EXPUNGE", "MOVE", "UID MOVE"];
            changes.contains(&case.name.as_str())
                && case.read_only
                && (case.is_status("NO [READ-ONLY]", "OK") || case.difference.what == "code")
        },
    },
    Known {
        rfc: "3501 §9 date-day",
        why: "a date that no calendar has is OK with Dovecot",
        applies: |case| case.step.text.contains("99-Jan-2000") && case.is_status("BAD", "OK"),
    },
    Known {
        rfc: "7162 §3.2.11",
        why: "Dovecot says CLOSED to every client; it is meant for those that enabled an extension",
        applies: |case| {
            let without = case.difference.theirs.trim_start_matches("CLOSED").trim_start_matches(", ");
            case.difference.what == "code"
                && ["SELECT", "EXAMINE"].contains(&case.name.as_str())
                && without == case.difference.ours
        },
    },
    Known {
        rfc: "3501 §7.1",
        why: "two reasons to refuse a change at once, EXAMINE and no such number: either may be told first",
        applies: |case| case.read_only && case.is_status("NO [READ-ONLY]", "BAD"),
    },
    Known {
        rfc: "3501 §6.4.5, §7.4.2",
        why: "a part that is not there is NIL here and an empty string with Dovecot",
        applies: |case| case.is_section() && case.difference.ours == "NIL" && case.difference.theirs.is_empty(),
    },
    Known {
        rfc: "3501 §6.3.8",
        why: "LIST of an empty pattern names the reference with Dovecot; the root of a reference that is not rooted may be empty",
        applies: |case| {
            case.difference.what == "LIST" && case.step.text.ends_with("\"\"") && case.step.text != "LIST \"\" \"\""
        },
    },
    Known {
        rfc: "2046 §4.1.2, 6657 §3",
        why: "Dovecot puts in charset us-ascii where a text type is given without one; here parameters are told as they stand",
        applies: |case| {
            let without =
                |text: &str| text.replace("(\"charset\" \"us-ascii\")", "nil").replace(" \"charset\" \"us-ascii\"", "");
            case.is_structure() && without(&case.difference.ours) == without(&case.difference.theirs)
        },
    },
    Known {
        rfc: "2046 §5.1.1",
        why: "white space at the end of a boundary is no part of it; it is with Dovecot",
        applies: |case| (case.is_structure() || case.is_section()) && case.is_of(&["boundary_white_space"]),
    },
    Known {
        rfc: "2046 §5.1.1",
        why: "the line end before a delimiter belongs to it; Dovecot counts it to a part that is or ends in a multipart",
        applies: |case| {
            ((case.is_structure() || case.difference.what.starts_with("BINARY.SIZE"))
                && case.is_of(&["message_with_multipart", "digest", "corpus 6", "nested", "boundary_prefix"]))
                || (case.is_section() && case.difference.ours.clone() + "\\r\\n" == case.difference.theirs)
        },
    },
    Known {
        rfc: "2046 §5.1.1",
        why: "of a part that has but one empty line, it ends the header here and belongs to the delimiter with Dovecot",
        applies: |case| case.difference.what.contains("MIME]") && case.is_of(&["empty_parts", "message_empty"]),
    },
    Known {
        rfc: "3501 §6.4.5",
        why: "the empty line is part of a header subset, but not where the message has none; Dovecot sends one all the same",
        applies: |case| {
            let letters = ["no_body", "no_line_end", "no_fields", "ends_in_part_header"];
            case.is_section() && case.difference.what.contains("HEADER") && case.is_of(&letters)
        },
    },
    Known {
        rfc: "3501 §6.4.5",
        why: "the octets of a partial that begins in a line end: Dovecot sends the wrong one of the two",
        applies: |case| {
            case.is_section() && ["\\n", ""].contains(&case.difference.ours.as_str()) && case.difference.theirs == "\\r"
        },
    },
    Known {
        rfc: "2231 §3",
        why: "parameters in pieces are told as they stand; Dovecot puts them together",
        applies: |case| case.is_structure() && case.is_of(&["boundary_in_pieces", "parameters"]),
    },
    Known {
        rfc: "3501 §6.3.9",
        why: "a subscribed name that is no folder has \\Noselect in LSUB here",
        applies: |case| {
            let plain = |text: &str| {
                let mut lines: Vec<String> = text.split("; ").map(|line| line.replace("\\noselect", "")).collect();
                lines.sort();
                lines
            };
            case.difference.what == "LSUB" && plain(&case.difference.ours) == plain(&case.difference.theirs)
        },
    },
    Known {
        rfc: "3501 §6.3.4",
        why: "a name above deleted folders stays, with \\Noselect, until it is deleted; Dovecot drops some of them by itself",
        applies: |case| {
            let bare = |line: &str| line.replace("\\haschildren", "").replace("\\hasnochildren", "");
            let lines = |text: &str| -> BTreeSet<String> { text.split("; ").map(bare).collect() };
            let (ours, theirs) = (lines(&case.difference.ours), lines(&case.difference.theirs));
            let dead =
                |line: &String| line.contains("\\noselect") || line.contains("\\nonexistent") || line == "nothing";
            case.difference.what == "LIST" && ours.symmetric_difference(&theirs).all(dead)
        },
    },
    Known {
        rfc: "3501 §9 body-fld-param partial",
        why: "a partial without its length is the rest of the text with Dovecot",
        applies: |case| case.step.text.ends_with("<1>") && case.is_status("BAD", "OK"),
    },
    Known {
        rfc: "2046 §5.2.1",
        why: "message/rfc822 in base64 is against the rule and not looked into; Dovecot makes an empty message of it",
        applies: |case| (case.is_structure() || case.is_section()) && case.is_of(&["message_encoded"]),
    },
    Known {
        rfc: "3501 §6.4.5",
        why: "a part that has no parts has no number below its own; for Dovecot n.1 is n itself",
        applies: |case| {
            let what = case.difference.what.trim_end_matches(".MIME]").trim_end_matches(']');
            let number = what.split('[').nth(1).unwrap_or_default();
            case.is_section() && matches!(case.difference.ours.as_str(), "NIL" | "0") && number.contains(".1")
        },
    },
    Known {
        rfc: "5322 §4.4, 3501 §7.4.2",
        why: "Dovecot puts MISSING_MAILBOX and SYNTAX_ERROR into addresses that are obsolete or broken",
        applies: |case| {
            case.difference.what == "ENVELOPE"
                && case.is_of(&["obsolete_addresses", "broken_addresses", "comments", "groups"])
        },
    },
    Known {
        rfc: "5322 §3.6",
        why: "of a field that may stand only once the first counts here, the last with Dovecot",
        applies: |case| (case.is_structure() || case.difference.what == "ENVELOPE") && case.is_of(&["repeated_fields"]),
    },
    Known {
        rfc: "3501 §7.4.2",
        why: "Dovecot tells no disposition and language of a message without a Content-Type",
        applies: |case| case.is_structure() && case.is_of(&["eight_bit_utf8", "one_language"]),
    },
    Known {
        rfc: "5161 §3.1",
        why: "ENABLE without a capability is OK with Dovecot",
        applies: |case| case.step.text == "ENABLE" && case.is_status("BAD", "OK"),
    },
    Known {
        rfc: "3501 §7.4.2",
        why: "Dovecot makes one space of several in an envelope",
        applies: |case| {
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            (case.is_structure() || case.difference.what == "ENVELOPE")
                && squeezed(&case.difference.ours) == squeezed(&case.difference.theirs)
        },
    },
    Known {
        rfc: "2046 §5.1, 2045 §5.2",
        why: "a multipart without its boundary, or a part without a valid type: read as plain text here, as empty or nameless \
              parts by Dovecot",
        applies: |case| {
            let letters = [
                "boundary_never_comes",
                "boundary_missing",
                "boundary_empty",
                "odd_content_types",
                "corpus 8",
                "only_close",
                "header_in_delimiters",
                "same_boundary",
                "ends_in_part_header",
            ];
            (case.is_structure() || case.is_section()) && case.is_of(&letters)
        },
    },
    Known {
        rfc: "3501 §6.4.4",
        why: "Dovecot simplifies several LARGER and SMALLER below OR and NOT into one, and finds what does not fit",
        applies: |case| {
            let count = case.step.text.matches("LARGER").count() + case.step.text.matches("SMALLER").count();
            case.is_search() && count > 1 && (case.step.text.contains("OR ") || case.step.text.contains("NOT "))
        },
    },
    Known {
        rfc: "3501 §6.4.4",
        why: "OR of two flags that are not set is neither flag set for Dovecot, when it simplifies it",
        applies: |case| {
            let words: Vec<&str> = case.step.text.split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
            let unset = |word: &str| ["UNSEEN", "UNDRAFT", "UNANSWERED", "UNFLAGGED", "UNDELETED"].contains(&word);
            case.is_search() && words.windows(3).any(|three| three[0] == "OR" && unset(three[1]) && unset(three[2]))
        },
    },
    Known {
        rfc: "3501 §6.4.4, 7162 §3.1.5",
        why: "NOT MODSEQ finds nothing with Dovecot",
        applies: |case| case.is_search() && case.step.text.contains("NOT") && case.step.text.contains("MODSEQ"),
    },
    Known {
        rfc: "9051 §6.4.4",
        why: "what stands in an address field beside its addresses is found here, as HEADER finds it",
        applies: |case| case.is_search() && case.is_of(&["comments", "broken_addresses"]),
    },
    Known {
        rfc: "3501 §6.3.9",
        why: "LSUB with % names what is above a subscribed folder, with \\Noselect; Dovecot not where the pattern goes on",
        applies: |case| {
            let ours = case.difference.ours.split("; ");
            let theirs: Vec<&str> = case.difference.theirs.split("; ").collect();
            let above = |line: &str| theirs.contains(&line) || line.starts_with("(\\noselect)");
            case.difference.what == "LSUB" && case.step.text.contains('%') && ours.into_iter().all(above)
        },
    },
    Known {
        rfc: "5182 §2.1",
        why: "Dovecot sends an empty ESEARCH where only SAVE is asked for",
        applies: |case| {
            case.difference.what == "ESEARCH"
                && case.step.text.contains("RETURN (SAVE)")
                && case.difference.ours == "nothing"
        },
    },
    Known {
        rfc: "draft-ietf-morg-inthread §4",
        why: "THREAD=REFS sorts threads by the INTERNALDATE of their newest message; Dovecot by its Date field",
        applies: |case| {
            let sorted = |text: &str| {
                let mut threads: Vec<String> = text.split_inclusive(')').map(str::to_owned).collect();
                threads.sort();
                threads
            };
            case.step.text.contains("THREAD REFS") && sorted(&case.difference.ours) == sorted(&case.difference.theirs)
        },
    },
    Known {
        rfc: "3516 §4.2, 2045 §6.4",
        why: "a multipart's own encoding is none, so BINARY of it is what stands there; Dovecot writes its parts anew",
        applies: |case| {
            case.difference.what.starts_with("BINARY")
                && case.is_of(&["corpus 6", "corpus 7", "nested", "message_with_multipart", "report", "digest"])
        },
    },
    Known {
        rfc: "3516 §4.3",
        why: "Dovecot fails BINARY of any part of a message that has one part in an unknown encoding",
        applies: |case| case.step.text.contains("BINARY") && case.is_status("OK", "NO [UNKNOWN-CTE]"),
    },
    Known {
        rfc: "5256 §2.1, §2.2, 5957 §3",
        why: "where a message of 1969, without addresses, or with Latin-1 in its subject stands in an order; Dovecot puts the \
              first last, has a name for the second, and does not read the third",
        applies: |case| {
            let odd = ["comments", "broken_addresses", "obsolete_addresses", "eight_bit_latin1", "latin1"];
            let ordered = ["SORT", "THREAD", "ESEARCH"].contains(&case.difference.what.as_str());
            ordered && case.letters.iter().any(|letter| odd.contains(&letter.as_str()))
        },
    },
    Known {
        rfc: "2046 §5.1.1, 6532 §3.7",
        why: "what a text search reads follows what a part is: see the lines about delimiters; message/global is not looked into, and Latin-1 \
              without a charset is not read by Dovecot",
        applies: |case| {
            let text = case.step.text.contains("BODY") || case.step.text.contains("TEXT");
            case.is_search() && text && case.is_of(ODD_TEXT)
        },
    },
    Known {
        rfc: "5322 §2.2",
        why: "a header in Latin-1 is against the rule; it is read as such here, and not by Dovecot",
        applies: |case| case.is_search() && case.is_of(&["eight_bit_latin1"]),
    },
    Known {
        rfc: "3501 §9 seq-range",
        why: "999999:* has the last message in it, whatever its number; a search of Dovecot does not find it",
        applies: |case| case.is_search() && case.step.text.contains("999999:*"),
    },
    Known {
        rfc: "3501 §9 command-any",
        why: "Dovecot passes over what follows a command that takes no argument",
        applies: |case| case.step.text == "NOOP extra" && case.is_status("BAD", "OK"),
    },
    Known {
        rfc: "3501 §6.4.4",
        why: "no date, or one before 1970, is odd to Dovecot; SENTBEFORE and its kin look at a Date field that is there",
        applies: |case| {
            case.is_search() && (case.step.text.contains("SENT") || case.step.text.contains('$')) && case.is_of(UNDATED)
        },
    },
    Known {
        rfc: RARE,
        why: "now and then Dovecot tells another size than the message has that it sends",
        applies: |case| case.difference.what == "RFC822.SIZE" && case.letters != ["unknown"],
    },
    Known {
        rfc: RARE,
        why: "now and then a folder that was just made above others is still a name without a folder for Dovecot",
        applies: |case| {
            case.difference.what == "LIST" && case.difference.theirs.replace(" \\noselect", "") == case.difference.ours
        },
    },
    Known {
        rfc: RARE,
        why: "now and then Dovecot does not know a header field, or a key of order, of a message that stands in several folders",
        applies: |case| {
            // Copies of one message are all like it.
            let first = case.letters.first().filter(|letter| letter.starts_with("corpus"));
            let known = first.is_some_and(|first| case.letters.iter().all(|letter| letter == first));
            let subset = case.difference.what.starts_with("BODY[HEADER.FIELDS (") && case.is_theirs_less();
            let no_date = case.difference.what == "ENVELOPE" && case.difference.theirs.starts_with("(NIL ");
            (known && (case.is_search() || subset || no_date))
                || ["SORT", "THREAD"].contains(&case.difference.what.as_str())
        },
    },
];

impl Case<'_> {
    /// Whether the two tagged answers begin like this.
    fn is_status(&self, ours: &str, theirs: &str) -> bool {
        let difference = self.difference;
        difference.what == "status" && difference.ours.starts_with(ours) && difference.theirs.starts_with(theirs)
    }
    /// Whether Dovecot sends some of the lines that Brevdue sends, and no others.
    fn is_theirs_less(&self) -> bool {
        let mut ours = self.difference.ours.split_inclusive("\\n");
        self.difference.theirs.split_inclusive("\\n").all(|line| ours.any(|one| one == line))
    }
    /// Whether it is about a piece of a message.
    fn is_section(&self) -> bool {
        self.difference.what.contains('[')
    }
    /// Whether it is about BODY or BODYSTRUCTURE.
    fn is_structure(&self) -> bool {
        matches!(self.difference.what.as_str(), "BODY" | "BODYSTRUCTURE")
    }
    /// Whether it is about what a search found.
    fn is_search(&self) -> bool {
        matches!(self.difference.what.as_str(), "SEARCH" | "ESEARCH" | "SORT" | "THREAD")
    }
    /// Whether it is about these messages only.
    fn is_of(&self, letters: &[&str]) -> bool {
        !self.letters.is_empty() && self.letters.iter().all(|letter| letters.contains(&letter.as_str()))
    }
}

/// Messages whose text is another one for Dovecot: see the lines about delimiters and boundaries, and three more.
const ODD_TEXT: &[&str] = &[
    "message_global",
    "message_encoded",
    "eight_bit_latin1",
    "boundary_white_space",
    "boundary_never_comes",
    "boundary_missing",
    "boundary_empty",
    "odd_content_types",
    "corpus 8",
    "only_close",
    "header_in_delimiters",
    "same_boundary",
    "ends_in_part_header",
];

/// In the place of the section: what Dovecot gets wrong once in thousands of commands. More of it is a failure.
pub const RARE: &str = "rare";

/// Messages of the corpus without a Date field, or without a date in it; and one of 1969.
const UNDATED: &[&str] = &[
    "comments",
    "empty",
    "one_line_end",
    "no_header",
    "no_body",
    "no_line_end",
    "no_fields",
    "bare_line_feeds",
    "mixed_line_ends",
    "bare_returns",
    "nul",
    "mbox_line",
    "continuation_first",
    "space_line_in_header",
    "space_before_colon",
    "repeated_fields",
    "empty_fields",
    "senders",
    "groups",
    "broken_addresses",
    "quoted_specials",
    "eight_bit_utf8",
    "eight_bit_latin1",
    "encoded_words",
    "parameters",
    "all_mime_fields",
    "one_language",
    "odd_content_types",
    "multipart",
    "nested",
    "nested_unclosed",
    "boundary_prefix",
    "boundary_white_space",
    "boundary_never_comes",
    "boundary_missing",
    "boundary_empty",
    "boundary_in_pieces",
    "unclosed",
    "ends_in_delimiter",
    "ends_in_part_header",
    "empty_parts",
    "only_close",
    "same_boundary",
    "message",
    "message_in_multipart",
    "message_in_message",
    "message_with_multipart",
    "message_empty",
    "message_encoded",
    "message_global",
    "digest",
    "report",
    "header_in_delimiters",
    "dashes",
];

/// Whether Dovecot lists less than Brevdue, and nothing else.
pub fn is_forgotten(difference: &Difference) -> bool {
    let bare = |line: &str| {
        ["\\haschildren", "\\hasnochildren", "\\noselect", " "].iter().fold(line.to_owned(), |l, a| l.replace(a, ""))
    };
    let lines = |text: &str| -> BTreeSet<String> { text.split("; ").map(bare).collect() };
    difference.what == "LIST" && lines(&difference.theirs).is_subset(&lines(&difference.ours))
}

/// The known difference that this is.
pub fn known(case: &Case<'_>) -> Option<&'static Known> {
    KNOWN.iter().find(|known| (known.applies)(case))
}
