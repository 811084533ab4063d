//! Harness shared by the conversation and scenario tests.
