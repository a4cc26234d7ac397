//! Mail: takes what waits in the store and hands it to the operator's mail server. It decides nothing about whom to write to.

mod letter;
pub mod postman;
pub mod settings;
