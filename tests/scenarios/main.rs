//! Scenarios on separate processes: what the promises mean, seen from outside.

mod byte_for_byte;
mod clients;
mod compress;
mod engines;
mod forwarding;
mod front_ends;
mod hostile;
mod killed;
mod leaving;
mod long_commands;
mod memory;
mod mixed;
mod nodes;
mod outbound;
mod pieces;
mod policy;
mod pop3;
mod postfix_in;
mod queue;
mod quota;
mod records;
mod require_tls;
mod rules;
mod secrecy;
mod sync;
mod waiting;
