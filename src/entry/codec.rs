//! The stored form of records and rules.
