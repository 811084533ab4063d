//! From an answer to records: CNAMEs followed, proofs read, bounds kept. No I/O: what must be asked next is said.

use crate::limits::{
    CNAMES_MAX, FAILURE_TTL, NEGATIVE_TTL, NEGATIVE_TTL_MAX, RECORDS_MAX, TTL_MAX, TTL_MIN, TXT_BYTES_MAX,
};
use crate::records::{Data, Kind, LookupError};
use crate::wildcard;
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record};
use std::time::Duration;

/// What came of one query.
pub(crate) enum Answered {
    Message(Box<Message>),
    /// What it denies is not shown. What it holds was validated record set by record set.
    Unproven(Box<Message>),
    Absent {
        no_such_name: bool,
        ttl_seconds: Option<u32>,
    },
}

/// What came of a look-up.
pub(crate) struct Outcome {
    pub(crate) result: Result<Vec<Data>, LookupError>,
    pub(crate) secure: bool,
    pub(crate) ttl: Duration,
}

impl Outcome {
    pub(crate) fn failure(error: LookupError) -> Self {
        Self { result: Err(error), secure: false, ttl: FAILURE_TTL }
    }

    fn absent(error: LookupError, ttl_seconds: Option<u32>) -> Self {
        let ttl = ttl_seconds.map_or(NEGATIVE_TTL, |seconds| Duration::from_secs(seconds.into()));
        Self { result: Err(error), secure: false, ttl: ttl.clamp(TTL_MIN, NEGATIVE_TTL_MAX) }
    }
}

/// A look-up under way.
pub(crate) struct Chase {
    kind: Kind,
    validating: bool,
    at: Name,
    cnames: usize,
    secure: bool,
    ttl_seconds: u32,
}

/// What to do after an answer.
pub(crate) enum Step {
    /// Ask for [`Chase::name`].
    Ask,
    Done(Outcome),
}

impl Chase {
    pub(crate) fn new(name: Name, kind: Kind, validating: bool) -> Self {
        Self { kind, validating, at: name, cnames: 0, secure: validating, ttl_seconds: u32::MAX }
    }

    /// What is to be asked for now; in the end, where the records are.
    pub(crate) fn name(&self) -> &Name {
        &self.at
    }

    /// Takes in the answer to the question for [`name`](Self::name).
    pub(crate) fn take(&mut self, answered: Answered) -> Step {
        let message = match answered {
            Answered::Message(message) => message,
            Answered::Unproven(message) => return self.read_unproven(&message),
            Answered::Absent { no_such_name, ttl_seconds } => {
                return Step::Done(Outcome::absent(absence(no_such_name), ttl_seconds));
            }
        };
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => self.read(&message),
            // Every other code, known or not, says that this server cannot answer.
            _ => Step::Done(Outcome::failure(LookupError::Failed)),
        }
    }

    fn read(&mut self, message: &Message) -> Step {
        let asked = self.at.clone();
        loop {
            match self.found(message) {
                Ok(records) if !records.is_empty() => return Step::Done(self.done(records)),
                Ok(_) => {}
                Err(error) => return Step::Done(Outcome::failure(error)),
            }
            match self.follow(message) {
                Ok(true) => {}
                Ok(false) => return self.nothing_here(message, self.at != asked),
                Err(error) => return Step::Done(Outcome::failure(error)),
            }
        }
    }

    /// Takes what stands at the very name, and one CNAME at most: where it leads is asked anew.
    fn read_unproven(&mut self, message: &Message) -> Step {
        if !wildcard::is_proven(message, &self.at) {
            return Step::Done(Outcome::failure(LookupError::Bogus));
        }
        match self.found(message) {
            Ok(records) if !records.is_empty() => return Step::Done(self.done(records)),
            Ok(_) => {}
            Err(error) => return Step::Done(Outcome::failure(error)),
        }
        match self.follow(message) {
            Ok(true) => Step::Ask,
            Ok(false) => Step::Done(Outcome::failure(LookupError::Bogus)),
            Err(error) => Step::Done(Outcome::failure(error)),
        }
    }

    /// The records of the type that stand at the name. Whether any stands there counts, not whether it can be used.
    fn found(&mut self, message: &Message) -> Result<Vec<Data>, LookupError> {
        let wire = self.kind.wire();
        let here: Vec<&Record> =
            message.answers.iter().filter(|record| record.record_type() == wire && record.name == self.at).collect();
        for record in &here {
            self.accept(record)?;
        }
        let mut records: Vec<Data> = here.iter().filter_map(|record| Data::from_wire(&record.data)).collect();
        if !here.is_empty() && records.is_empty() {
            return Err(LookupError::Failed);
        }
        // Before the cut: the most preferred exchangers are those to keep.
        records.sort_by_key(|record| match record {
            Data::Mx(preference, _) => *preference,
            _ => 0,
        });
        records.truncate(RECORDS_MAX);
        let mut room = TXT_BYTES_MAX;
        records.retain(|record| match record {
            Data::Txt(text) => {
                text.len() <= room && {
                    room -= text.len();
                    true
                }
            }
            _ => true,
        });
        Ok(records)
    }

    /// Goes one CNAME on; whether there was one.
    fn follow(&mut self, message: &Message) -> Result<bool, LookupError> {
        let alias = message.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(cname) if record.name == self.at => Some((record, cname.0.clone())),
            _ => None,
        });
        let Some((record, target)) = alias else { return Ok(false) };
        self.cnames += 1;
        if self.cnames > CNAMES_MAX {
            return Err(LookupError::Failed);
        }
        self.accept(record)?;
        self.at = target;
        Ok(true)
    }

    /// After the CNAMEs of this message: either it denies what they lead to, or that must be asked for.
    fn nothing_here(&self, message: &Message, led_away: bool) -> Step {
        let denies = message.metadata.response_code == ResponseCode::NXDomain
            || message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)));
        if led_away && !denies {
            return Step::Ask;
        }
        if self.validating && !self.denial_counts(message) {
            return Step::Done(Outcome::failure(LookupError::Bogus));
        }
        let no_such_name = message.metadata.response_code == ResponseCode::NXDomain;
        let ttl = message.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        });
        Step::Done(Outcome::absent(absence(no_such_name), ttl))
    }

    /// The validator lets a denial through when all that comes with it is of an unsigned zone. But that must be the zone of
    /// this name: else a record of any unsigned zone at all would unmake what a signed one holds.
    fn denial_counts(&self, message: &Message) -> bool {
        let insecure = |record: &Record| record.proof != Proof::Secure;
        let of_this_zone = |record: &Record| matches!(record.data, RData::SOA(_)) && record.name.zone_of(&self.at);
        let authorities = &message.authorities;
        authorities.is_empty()
            || !authorities.iter().any(insecure)
            || authorities.iter().any(|record| insecure(record) && of_this_zone(record))
    }

    fn accept(&mut self, record: &Record) -> Result<(), LookupError> {
        if self.validating {
            match record.proof {
                Proof::Secure => {}
                Proof::Insecure | Proof::Indeterminate => self.secure = false,
                Proof::Bogus => return Err(LookupError::Bogus),
            }
        }
        self.ttl_seconds = self.ttl_seconds.min(record.ttl);
        Ok(())
    }

    fn done(&self, records: Vec<Data>) -> Outcome {
        let ttl = Duration::from_secs(self.ttl_seconds.into()).clamp(TTL_MIN, TTL_MAX);
        Outcome { result: Ok(records), secure: self.secure, ttl }
    }
}

fn absence(no_such_name: bool) -> LookupError {
    if no_such_name { LookupError::NoSuchName } else { LookupError::NoRecords }
}

#[cfg(test)]
mod tests;
