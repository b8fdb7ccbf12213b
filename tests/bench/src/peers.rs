//! The same, by others. Each is used as its own documentation or driver does.

mod codecs;
mod machines;

use crate::measure::Subject;

pub fn subjects() -> Vec<Subject> {
    let mut subjects = codecs::subjects();
    subjects.extend(machines::subjects());
    subjects
}

/// One row.
fn subject(
    group: &'static str,
    size: usize,
    library: &'static str,
    operation: Box<dyn crate::measure::Operation>,
) -> Subject {
    Subject { group, case: size.to_string(), library, batch: crate::workload::batch(size), operation }
}
