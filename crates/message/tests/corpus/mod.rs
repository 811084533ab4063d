//! The odd messages. `\n` stands for CRLF in `text`; `raw` has the octets as they are.
#![allow(dead_code, missing_docs, reason = "each test takes what it needs")]

/// One message of the corpus.
pub struct Message {
    pub name: &'static str,
    pub why: &'static str,
    octets: Octets,
}

enum Octets {
    Text(&'static str),
    Raw(&'static [u8]),
}

impl Message {
    /// The message as it would arrive.
    pub fn octets(&self) -> Vec<u8> {
        match self.octets {
            Octets::Text(text) => text.replace('\n', "\r\n").into_bytes(),
            Octets::Raw(octets) => octets.to_vec(),
        }
    }
}

const fn text(name: &'static str, why: &'static str, text: &'static str) -> Message {
    Message { name, why, octets: Octets::Text(text) }
}

const fn raw(name: &'static str, why: &'static str, octets: &'static [u8]) -> Message {
    Message { name, why, octets: Octets::Raw(octets) }
}

/// Every message, by name.
pub const MESSAGES: &[Message] = &[
    raw("empty", "No octet at all.", b""),
    raw("one_line_end", "An empty header and nothing else.", b"\r\n"),
    text("no_header", "The first line is empty: all is body.", "\nbody\n"),
    text("no_body", "A header without the empty line.", "Subject: x\nTo: a@b\n"),
    raw("no_line_end", "One field, cut off.", b"Subject: x"),
    raw("no_fields", "No line of the header is a field.", b"just text\r\nmore text\r\n\r\nbody"),
    text(
        "plain",
        "What RFC 5322 has as an example.",
        "From: John Doe <jdoe@machine.example>\nTo: Mary Smith <mary@example.net>\nSubject: Saying Hello\n\
         Date: Fri, 21 Nov 1997 09:55:06 -0600\nMessage-ID: <1234@local.machine.example>\n\n\
         This is a message just to say hello.\nSo, \"Hello\".\n",
    ),
    raw("bare_line_feeds", "As a Unix client appends it.", b"From: a@b\nContent-Type: multipart/mixed;\n\tboundary=b\n\npre\n--b\n\none\n--b\nContent-Type: a/b\n\ntwo\n--b--\npost\n"),
    raw("mixed_line_ends", "Delimiters know their own line end.", b"Content-Type: multipart/mixed; boundary=b\r\n\n--b\r\n\r\none\n--b\n\ntwo\r\n--b--"),
    raw("bare_returns", "A lone CR ends no line; in an answer it needs a literal.", b"Subject: a\rb\r\nTo: a@b\r\r\n\rX: y\r\n\r\nbody\rbody\r\n"),
    raw("nul", "NUL cannot stand in an answer.", b"Subject: a\0b\r\nFrom: \"\0\" <a\0@b>\r\n\r\n\0"),
    raw("mbox_line", "An mbox line before the header.", b"From a@b Fri Nov 21 09:55:06 1997\nSubject: x\n\nbody\n"),
    text("continuation_first", "A continuation of nothing.", " lost\nSubject: x\n\nbody\n"),
    text("space_line_in_header", "A line of white space ends no header.", "Subject: a\n \n b\nTo: a@b\n\nbody\n"),
    text("space_before_colon", "Obsolete, RFC 5322 §4.5.", "Subject \t: x\nFrom : a@b\n\n"),
    text("repeated_fields", "Addresses add up, of other fields the first counts.", "To: a@b\nSubject: one\nTo: c@d\nSubject: two\nContent-Type: text/html\nContent-Type: a/b\n\n"),
    text("empty_fields", "Empty is not absent.", "Subject:\nDate:\nMessage-ID: \nFrom:\nSender:\nTo:\nIn-Reply-To:\n\n"),
    text("senders", "Sender and Reply-To stand for themselves when they are there.", "From: a@b, c@d\nSender: e@f\nReply-To: g@h, i@j\n\n"),
    text("groups", "Full, empty, open, and one after another.", "From: Chief: boss@x;\nTo: A Group:Ed Jones <joe@where.test>,joe@where.test;, Pete <pete@silly.test>\nCc: undisclosed-recipients:;\nBcc: open: a@b, c@d\nReply-To: G:;, H: x@y;\n\n"),
    text("comments", "RFC 5322, appendix A.5.", "From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\nTo:A Group(Some people)\n     :Chris Jones <c@(Chris's host.)public.example>,\n         joe@example.org,\n  John <jdoe@one.test> (my dear friend); (the end of the group)\nCc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\nDate: Thu,\n      13\n        Feb\n          1969\n      23:32\n               -0330 (Newfoundland Time)\nMessage-ID:              <testabcd.1234@silly.test>\n\nTesting.\n"),
    text("obsolete_addresses", "RFC 5322, appendix A.6.1, and names as comments.", "From: Joe Q. Public <john.q.public@example.com>\nTo: Mary Smith <@node.test:mary@example.net>, , jdoe@test . example\nCc: old@style.example (Old Style), \"quoted local\"@x.example, joe . smith @ y\nDate: 21 Nov 97 09:55:06 GMT\nMessage-ID: <5678.21-Nov-1997@example.com>\n\n"),
    text("broken_addresses", "Nothing in them makes an answer illegal.", "From: <>\nTo: root, @x, a@, Ann <a@b, \"open\nCc: (open\nBcc: ;;,:,<<a@b>>\nReply-To: Bo <mailto:a@b>, x y@z, [1.2.3.4\n\n"),
    text("quoted_specials", "Quotes and backslashes are escaped in answers.", "Subject: say \"hi\" \\o/\nFrom: \"Ann \\\"A\\\" B\\\\C\" <\"a\\\"b\"@x>\n\n"),
    raw("eight_bit_utf8", "UTF-8 without encoding (RFC 6532): literals.", b"Subject: bl\xC3\xA5b\xC3\xA6r\r\nFrom: J\xC3\xB8rn <j\xC3\xB8rn@b\xC3\xBCcher.example>\r\nContent-Disposition: attachment; filename=\xC3\xA6.txt\r\n\r\n\xC3\xA6\r\n"),
    raw("eight_bit_latin1", "Latin-1 without encoding.", b"Subject: bl\xE5b\xE6r\r\nFrom: \"J\xF8rn\" <j@x>\r\n\r\n\xE6\r\n"),
    text("encoded_words", "They are left as they are.", "Subject: =?utf-8?q?bl=C3=A5?= =?utf-8?b?YsOmcg==?=\nFrom: =?iso-8859-1?q?J=F8rn?= <j@x>\nContent-Type: text/plain; name=\"=?utf-8?q?=C3=A6?=.txt\"\nContent-Description: =?utf-8?q?=C3=A6?=\n\n"),
    text("parameters", "RFC 2231 pieces stay pieces; unquoted spaces, comments, escapes, no value.", "Content-Type: text/plain; charset=us-ascii (Plain text); format=flowed; x=\"a\\\"b;c\"; name=my file.txt\nContent-Disposition: attachment;\n filename*0*=UTF-8''%C3%A6;\n filename*1=\"b.txt\"; size=10; novalue; =none; empty=\n\n"),
    text("all_mime_fields", "Every field that an answer has a place for.", "Content-Type: image/png; name=x.png\nContent-Transfer-Encoding: BASE64 (of course)\nContent-ID: <1@x>\nContent-Description: A\n picture\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\nContent-Disposition: inline; filename=x.png\nContent-Language: da, en-GB (British)\nContent-Location: http://x.example/\n y.png\n\nAAAA\n"),
    text("one_language", "One tag is a string.", "Content-Language: da\nContent-Disposition: inline\n\n"),
    text("odd_content_types", "What is no type is text/plain.", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type:\n\n1\n--b\nContent-Type: text\n\n2\n--b\nContent-Type: a/b/c; x=y\n\n3\n--b\nContent-Type: \"text/html\"\n\n4\n--b\nContent-Type: TEXT / HTML ; CHARSET = \"UTF-8\"\nContent-Transfer-Encoding: X-odd\n\n5\n--b\nContent-Type: message/delivery-status\n\n6\n--b--\n"),
    text("multipart", "Preamble and epilogue are no parts.", "Content-Type: multipart/alternative; boundary=\"b c\"\n\npreamble\n--b c\nContent-Type: text/plain\n\nplain\n\n--b c\nContent-Type: text/html; charset=utf-8\n\n<p>html</p>\n--b c--\nepilogue\n--b c\nno part\n"),
    text("nested", "Multiparts in a multipart, numbered 1, 2.1, 2.2, 3.", "Content-Type: multipart/mixed; boundary=outer\n\n--outer\n\none\n--outer\nContent-Type: multipart/related; boundary=inner; type=\"text/html\"\nContent-Disposition: inline\n\n--inner\nContent-Type: text/html\n\ntwo.one\n--inner\nContent-Type: image/gif\n\ntwo.two\n--inner--\n\n--outer\nContent-Type: application/pdf\n\nthree\n--outer--\n"),
    text("nested_unclosed", "The outer delimiter closes what is inside.", "Content-Type: multipart/mixed; boundary=outer\n\n--outer\nContent-Type: multipart/mixed; boundary=inner\n\n--inner\n\ntwo\n--outer\n\nthree\n--inner\nno delimiter any more\n--outer--\n"),
    text("boundary_prefix", "One boundary begins with another.", "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\n\none\n--ab--\n--a\nContent-Type: multipart/mixed; boundary=a--\n\n--a--\n\ntwo\n--a----\n--a--\n"),
    text("boundary_white_space", "What follows a delimiter does not matter; a boundary has no white space at its end.", "Content-Type: multipart/mixed; boundary=\"b  \"\n\n--b \t\n\none\n--bx\n-- b\n--b--x\n--b--  \nend\n"),
    text("boundary_never_comes", "All is one part.", "Content-Type: multipart/mixed; boundary=b\n\none\n--c\n\ntwo\n"),
    text("boundary_missing", "As if there were no Content-Type.", "Content-Type: multipart/mixed\nContent-Transfer-Encoding: 8bit\n\n--b\n\none\n--b--\n"),
    text("boundary_empty", "No boundary either.", "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\none\n----\n"),
    text("boundary_in_pieces", "RFC 2231 lets any parameter be cut.", "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\none\n--ab--\n"),
    raw("unclosed", "The message ends in a part.", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\ntwo"),
    raw("ends_in_delimiter", "A delimiter without a line end opens nothing.", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b"),
    raw("ends_in_part_header", "The last part has a header only.", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822"),
    text("empty_parts", "No header, no body, nothing at all.", "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b\nContent-Type: text/html\n--b\n\n\n--b--\n"),
    text("only_close", "Closed before it began.", "Content-Type: multipart/mixed; boundary=b\n\n--b--\nepilogue\n"),
    text("same_boundary", "The inner one uses the outer one's boundary.", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n--b--\n"),
    text("message", "The whole message is message/rfc822: 1 is its body, 1.1 the inner one's.", "Subject: outer\nContent-Type: message/rfc822\n\nSubject: inner\nFrom: a@b\n\nbody\n"),
    text("message_in_multipart", "2.HEADER, 2.TEXT, 2.1.", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\nContent-Description: forwarded\n\nSubject: inner\nTo: G: x@y;\nContent-Type: text/html\n\nline\nline\n--b--\n"),
    text("message_in_message", "rfc822 in rfc822 in rfc822, a multipart in the last.", "Content-Type: message/rfc822\n\nSubject: 1\nContent-Type: message/rfc822\n\nSubject: 2\nContent-Type: message/rfc822\n\nSubject: 3\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n"),
    text("message_with_multipart", "The inner multipart's parts are 2.1 and 2.2.", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: MESSAGE/RFC822\n\nSubject: inner\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nplain\n--c\nContent-Type: text/html\n\nhtml\n--c--\n--b--\n"),
    text("message_empty", "A message without a header, and one without anything.", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n\nbody\n--b\nContent-Type: message/rfc822\n\n--b\nContent-Type: message/rfc822\n--b--\n"),
    text("message_encoded", "Against RFC 2046 §5.2.1: it cannot be read as a stream.", "Content-Type: message/rfc822; name=x.eml\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoK\n"),
    text("message_global", "RFC 6532; IMAP4rev1 has no form for it.", "Content-Type: message/global\n\nSubject: x\n\nbody\n"),
    text("digest", "Its parts are messages unless they say otherwise.", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nbody\n--b\nContent-Type: text/plain\n\ntwo\n--b\nContent-ID: <3@x>\n\nSubject: three\nContent-Type: multipart/digest; boundary=c\n\n--c\n\nSubject: four\n--c--\n--b--\n"),
    text("report", "A delivery status notification.", "From: MAILER-DAEMON@x (Mail Delivery)\nTo: <a@b>\nSubject: Undelivered\nAuto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"XX/y.z\"\n\nThis is a MIME-encapsulated message.\n\n--XX/y.z\nContent-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\nSorry.\n\n--XX/y.z\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; c@d\n\n--XX/y.z\nContent-Type: text/rfc822-headers\n\nSubject: x\n\n--XX/y.z--\n"),
    text("header_in_delimiters", "A delimiter ends a header too.", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n--c\n--b\nContent-Type: text/html\n folded\n--b--\n"),
    text("dashes", "A line that begins like a delimiter is one.", "Content-Type: multipart/mixed; boundary=-\n\n-\n--\n---\n\none\n----\n-- \n-----\n"),
];
