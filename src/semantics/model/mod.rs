//! RFC 9111 read a second time, slowly and obviously, and compared with the code.
//!
//! What is here follows the text of the RFCs and nothing else: fields are pairs of strings, dates
//! and durations are numbers of microseconds in 128 bits, and no function of the crate is called
//! but where the two are compared ([`properties`]). Who changes the code on purpose changes this
//! too, from the text; who changes it by mistake is told.

mod calendar;
mod demands;
mod generate;
mod properties;
mod requests;
mod rules;
mod said;
mod text;
mod variants;

/// Fields in the order in which they came, their names in any case.
type Fields = Vec<(String, String)>;

const SECOND: i128 = 1_000_000;
