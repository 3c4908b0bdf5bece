//! Tables that read well as they are, and are Markdown.

/// A table. The first column is text, all others are figures.
pub(crate) fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let widths: Vec<_> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().map(|row| width(&row[column]));
            cells.fold(width(&head[column]), usize::max)
        })
        .collect();
    let rule: Vec<_> = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match column {
            0 => "-".repeat(*width),
            _ => format!("{}:", "-".repeat(width - 1)),
        })
        .collect();
    let mut text = line(head, &widths) + &line(&rule, &widths);
    for row in rows {
        text += &line(row, &widths);
    }
    text
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        line += &match column {
            0 => format!("| {cell:<width$} |"),
            _ => format!(" {cell:>width$} |"),
        };
    }
    line + "\n"
}

/// At least as wide as the rule needs: a dash and a colon.
fn width(cell: &str) -> usize {
    cell.chars().count().max(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let strings = |cells: [&str; 2]| cells.map(String::from).to_vec();
        let text = table(
            &strings(["suite", "pass/FAIL"]),
            &[strings(["stale", "4/0"]), strings(["conditional", "12/1"])],
        );
        let wanted = "\
| suite       | pass/FAIL |
| ----------- | --------: |
| stale       |       4/0 |
| conditional |      12/1 |
";
        assert_eq!(text, wanted);
    }
}
