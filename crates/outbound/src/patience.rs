//! How long each answer may take; the defaults are the limits, and tests have less.

use crate::limits::{
    BLOCK_SECONDS_MAX, CONNECT_SECONDS_MAX, DATA_SECONDS_MAX, END_SECONDS_MAX, GREETING_SECONDS_MAX,
    HANDSHAKE_SECONDS_MAX, HELLO_SECONDS_MAX, LAST_WORD_SECONDS_MAX, MAIL_SECONDS_MAX, QUIT_SECONDS_MAX,
    RCPT_SECONDS_MAX, TEXT_SECONDS_MAX,
};
use std::time::Duration;

/// Waits of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// TCP.
    pub connect: Duration,
    /// 220.
    pub greeting: Duration,
    /// EHLO, HELO, STARTTLS, AUTH, RSET.
    pub hello: Duration,
    /// TLS.
    pub handshake: Duration,
    /// MAIL.
    pub mail: Duration,
    /// RCPT.
    pub rcpt: Duration,
    /// DATA.
    pub data: Duration,
    /// One block of text.
    pub block: Duration,
    /// The final dot.
    pub end: Duration,
    /// What a server says that broke off.
    pub last_word: Duration,
    /// QUIT.
    pub quit: Duration,
    /// Text from the node.
    pub text: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(CONNECT_SECONDS_MAX),
            greeting: seconds(GREETING_SECONDS_MAX),
            hello: seconds(HELLO_SECONDS_MAX),
            handshake: seconds(HANDSHAKE_SECONDS_MAX),
            mail: seconds(MAIL_SECONDS_MAX),
            rcpt: seconds(RCPT_SECONDS_MAX),
            data: seconds(DATA_SECONDS_MAX),
            block: seconds(BLOCK_SECONDS_MAX),
            end: seconds(END_SECONDS_MAX),
            last_word: seconds(LAST_WORD_SECONDS_MAX),
            quit: seconds(QUIT_SECONDS_MAX),
            text: seconds(TEXT_SECONDS_MAX),
        }
    }
}
