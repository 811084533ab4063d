//! The primary: owns volumes of mailbox files, serves sessions and deliveries.
