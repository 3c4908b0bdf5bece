//! The query as the key shows it and the origin sees it.
//!
//! Byte for byte: `%61` and `a` are told apart, as the origin may. What is left out is left out of
//! both the key and the request, so a parameter that two readers split differently hides nothing.

/// `path_and_query` with the parameters whose names are to be kept, in their order or sorted by
/// name; `None` if it stays as it is.
///
/// Parameters stand between `&`s, and a name ends at the first `=`. Repeated ones keep their order
/// among themselves, which often means something. `/a?` and `/a` are two resources (RFC 3986
/// §6.2.3): the empty query is one parameter with an empty name. When nothing is left, the `?`
/// goes too.
pub(crate) fn rewrite(
    path_and_query: &str,
    keep: impl Fn(&str) -> bool,
    sort: bool,
) -> Option<String> {
    let (path, query) = path_and_query.split_once('?')?;
    let kept = || query.split('&').filter(|parameter| keep(name(parameter)));
    let complete = query.split('&').all(|parameter| keep(name(parameter)));
    if complete && (!sort || query.split('&').is_sorted_by_key(name)) {
        return None;
    }
    let mut rewritten = String::with_capacity(path_and_query.len() + 1);
    // The path of `http://host?a` is empty; that of a request never is.
    rewritten.push_str(if path.is_empty() { "/" } else { path });
    let mut between = '?';
    let mut push = |parameter: &str| {
        rewritten.push(between);
        rewritten.push_str(parameter);
        between = '&';
    };
    if sort {
        let mut sorted: Vec<_> = kept().collect();
        sorted.sort_by_key(|parameter| name(parameter));
        sorted.into_iter().for_each(push);
    } else {
        kept().for_each(&mut push);
    }
    Some(rewritten)
}

fn name(parameter: &str) -> &str {
    parameter
        .split_once('=')
        .map_or(parameter, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewritten(text: &str, keep: impl Fn(&str) -> bool, sort: bool) -> String {
        rewrite(text, keep, sort).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn parameters_go_by_their_name_and_all_else_stays_byte_for_byte() {
        let tracked = |name: &str| !name.starts_with("utm_") && name != "x";
        for (given, expected) in [
            ("/a", "/a"),
            ("/a?", "/a?"),
            ("/a?b=1&c=2", "/a?b=1&c=2"),
            ("/a?utm_source=n", "/a"),
            ("/a?utm_source=n&b=1", "/a?b=1"),
            ("/a?b=1&utm_source=n", "/a?b=1"),
            ("/a?b=1&utm_source=n&c=2&x=1&x=2&d", "/a?b=1&c=2&d"),
            // Without `=`, with an empty value, with more than one `=`.
            ("/a?x", "/a"),
            ("/a?x=", "/a"),
            ("/a?x==1&y=x=2", "/a?y=x=2"),
            // What is not the name is not looked at, and nothing is decoded.
            ("/a?%78=1", "/a?%78=1"),
            ("/a?X=1", "/a?X=1"),
            ("/a?xx=1", "/a?xx=1"),
            // Empty parameters are parameters with an empty name.
            ("/a?&x=1", "/a?"),
            ("/a?&&x=1", "/a?&"),
            ("/a?b&&x=1", "/a?b&"),
            ("/a?=1&x=1", "/a?=1"),
            ("?x=1&b=2", "/?b=2"),
            ("?x=1", "/"),
            // A second `?` belongs to the query; `;` separates nothing, so what a parameter hides
            // behind one goes with it.
            ("/a?b?x=1&x=?", "/a?b?x=1"),
            ("/a?x=1;b=2", "/a"),
            ("/a?b=2;x=1", "/a?b=2;x=1"),
        ] {
            assert_eq!(rewritten(given, tracked, false), expected, "{given}");
        }
    }

    #[test]
    fn sorting_is_by_name_and_keeps_the_order_of_repeats() {
        for (given, expected) in [
            ("/a", "/a"),
            ("/a?", "/a?"),
            ("/a?b=1&a=2", "/a?a=2&b=1"),
            ("/a?b=2&a=9&b=1", "/a?a=9&b=2&b=1"),
            ("/a?a=2&a=1", "/a?a=2&a=1"),
            ("/a?b&a", "/a?a&b"),
            ("/a?b=1&&a=1", "/a?&a=1&b=1"),
            // By name, not by text: `a-` is another name, and `=` is not compared.
            ("/a?a-=1&a=1", "/a?a=1&a-=1"),
            // Case and encoding count.
            ("/a?a=1&B=1&%61=1", "/a?%61=1&B=1&a=1"),
        ] {
            assert_eq!(rewritten(given, |_| true, true), expected, "{given}");
        }
        assert_eq!(rewritten("/a?c&x&b", |name| name != "x", true), "/a?b&c");
    }

    #[test]
    fn with_no_name_to_keep_there_is_no_query() {
        for given in ["/a", "/a?", "/a?b", "/a?b=1&c", "/a?&"] {
            assert_eq!(rewritten(given, |_| false, false), "/a", "{given}");
        }
    }

    proptest! {
        #[test]
        fn rewriting_again_changes_nothing(
            query in "[a-cx=&?%]{0,16}",
            sort: bool,
        ) {
            let keep = |name: &str| name != "x";
            let once = rewritten(&format!("/p?{query}"), keep, sort);
            prop_assert_eq!(rewrite(&once, keep, sort), None);
        }

        #[test]
        fn what_stays_is_what_was_there(query in "[a-cx=&?%]{0,16}", sort: bool) {
            let parameters = |text: &str| -> Vec<String> {
                let (_, query) = text.split_once('?').unwrap_or_default();
                let mut all: Vec<_> = query.split('&').map(str::to_owned).collect();
                all.retain(|one| name(one) != "x" && !one.is_empty());
                all.sort();
                all
            };
            let given = format!("/p?{query}");
            let kept = rewritten(&given, |name| name != "x", sort);
            prop_assert_eq!(parameters(&kept), parameters(&given));
        }
    }
}
