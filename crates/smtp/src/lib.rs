//! SMTP grammar and server session without I/O, shared by every SMTP role.
