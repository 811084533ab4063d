//! The differences that are known, each with the section that says why Brevdue's answer is right, or that both are.

use crate::compare::Difference;
use crate::script::Step;

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
            changes.contains(&case.name.as_str()) && case.read_only && (case.is_status("NO [READ-ONLY]", "OK") || case.difference.what == "code")
        },
    },
    Known {
        rfc: "3501 §9 seq-number",
        why: "SEARCH with a message number that is not in use is OK with Dovecot and finds nothing; it should be BAD",
        applies: |case| case.name.ends_with("SEARCH") && case.is_status("BAD [] There are only", "OK"),
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
            case.difference.what == "code" && ["SELECT", "EXAMINE"].contains(&case.name.as_str()) && without == case.difference.ours
        },
    },
    Known {
        rfc: "3501 §9 TEMPORARY",
        why: "star in an empty folder",
        applies: |case| {
            case.is_status("OK", "BAD [] Error in IMAP command") && case.difference.theirs.contains("Invalid messageset")
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
        applies: |case| {
            case.is_section() && case.difference.ours == "NIL" && case.difference.theirs.is_empty()
        },
    },
    Known {
        rfc: "3501 §6.3.8",
        why: "LIST of an empty pattern names the reference with Dovecot; the root of a reference that is not rooted may be empty",
        applies: |case| case.difference.what == "LIST" && case.step.text.ends_with("\"\"") && case.step.text != "LIST \"\" \"\"",
    },
    Known {
        rfc: "2046 §4.1.2, 6657 §3",
        why: "Dovecot puts in charset us-ascii for any text type that names none; it is the default of text/plain alone",
        applies: |case| {
            let without = |text: &str| text.replace("(\"charset\" \"us-ascii\")", "nil");
            case.is_structure() && without(&case.difference.ours) == without(&case.difference.theirs)
        },
    },
    Known {
        rfc: "2046 §5.1.1",
        why: "a line that only begins like a delimiter is one for Dovecot; a delimiter is the whole line",
        applies: |case| {
            (case.is_structure() || case.is_section())
                && case.is_of(&["dashes", "boundary_prefix", "boundary_white_space"])
        },
    },
    Known {
        rfc: "2046 §5.1.1",
        why: "the line end before a delimiter belongs to it; Dovecot counts it to a message/rfc822 that ends in a multipart",
        applies: |case| case.is_structure() && case.is_of(&["message_with_multipart"]),
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
            case.is_section() && case.difference.ours == "NIL" && number.contains(".1")
        },
    },
    Known {
        rfc: "5322 §4.4",
        why: "Dovecot puts MISSING_MAILBOX where an address list has an empty element, and keeps the spaces of obsolete names",
        applies: |case| case.difference.what == "ENVELOPE" && case.is_of(&["obsolete_addresses"]),
    },
    Known {
        rfc: "5322 §3.6",
        why: "of a field that may stand only once the first counts here, the last with Dovecot",
        applies: |case| (case.is_structure() || case.difference.what == "ENVELOPE") && case.is_of(&["repeated_fields"]),
    },
    Known {
        rfc: "6532 §3.2",
        why: "Dovecot drops a parameter with UTF-8 in it",
        applies: |case| case.is_structure() && case.is_of(&["eight_bit_utf8"]),
    },
    Known {
        rfc: "3501 §9 command-any",
        why: "Dovecot passes over what follows a command that takes no argument",
        applies: |case| case.step.text == "NOOP extra" && case.is_status("BAD", "OK"),
    },
    Known {
        rfc: "3501 §6.4.4",
        why: "a message without a date was sent in 1970 for Dovecot; SENTBEFORE and its kin look at a Date field that is there",
        applies: |case| case.is_search() && case.step.text.contains("SENT") && case.is_of(UNDATED),
    },
];

impl Case<'_> {
    /// Whether the two tagged answers begin like this.
    fn is_status(&self, ours: &str, theirs: &str) -> bool {
        let difference = self.difference;
        difference.what == "status" && difference.ours.starts_with(ours) && difference.theirs.starts_with(theirs)
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

/// Messages of the corpus without a Date field, or without a date in it.
const UNDATED: &[&str] = &[
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

/// The known difference that this is.
pub fn known(case: &Case<'_>) -> Option<&'static Known> {
    KNOWN.iter().find(|known| (known.applies)(case))
}
