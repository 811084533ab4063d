//! The MX front-end: SMTP from the internet, sealing and delivery.
