//! In place of the store's questions and changes where they are left out.
//!
//! Owns nothing. Does not do anything. Always true: the entries of the file run all the same; the paths of the API are
//! not there, as without a store. Worst case: no memory.

use super::{Fault, List, Op};

/// There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {}

impl Change {
    /// Never called.
    pub fn said(&self) -> (&'static str, List, &str) {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn apply(&self, _: &[u8]) -> Result<Vec<u8>, Fault> {
        match *self {}
    }
}

/// Refuses.
///
/// # Errors
/// Always.
pub fn change(_: List, _: Op, _: &str, _: &[u8]) -> Result<(Change, Vec<u8>), Fault> {
    Err((404, "this redial is built without \"store\"".to_owned()))
}

/// Nothing.
///
/// # Errors
/// Always.
pub fn show(list: List, _: Option<&str>, _: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    change(list, Op::Delete, "", &[]).map(|_| None)
}
