//! A table on the screen.

/// Prints rows below a head: words to the left, numbers to the right.
pub(crate) fn print<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| {
        all()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let number = |column: usize| {
        let first = rows.first().and_then(|row| row[column].chars().next());
        first.is_some_and(|first| first.is_ascii_digit())
    };
    for row in all() {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if number(column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        println!("{}", cells.collect::<Vec<_>>().join("  "));
    }
}

/// A row of anything that can be printed.
macro_rules! row {
    ($($cell:expr),+ $(,)?) => { [$($cell.to_string()),+] };
}
pub(crate) use row;
