//! RFC 5322 and MIME: structure, envelope, sections, trace fields and searchable text; pure.
