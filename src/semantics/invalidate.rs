//! What a successful unsafe request makes invalid (RFC 9111 §4.4).

use http::StatusCode;
use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION};
use http::uri::PathAndQuery;

/// The host and the path with query of each URL to invalidate: the target itself, and what
/// `Location` and `Content-Location` name if it is of the same origin. Nothing unless the response
/// to the unsafe request is a success or a redirection.
///
/// The scheme is not compared, since keys leave it out.
pub(crate) fn targets(
    host: &str,
    path_and_query: &str,
    status: StatusCode,
    response: &HeaderMap,
) -> Vec<(String, String)> {
    if !status.is_success() && !status.is_redirection() {
        return Vec::new();
    }
    let mut paths = vec![path_and_query.to_owned()];
    for name in [LOCATION, CONTENT_LOCATION] {
        for value in response.get_all(name) {
            let path = value
                .to_str()
                .ok()
                .and_then(|reference| resolve(host, path_and_query, reference));
            if let Some(path) = path
                && !paths.contains(&path)
            {
                paths.push(path);
            }
        }
    }
    paths
        .into_iter()
        .map(|path| (host.to_owned(), path))
        .collect()
}

/// The path and query that `reference` means, seen from `base` (RFC 3986 §5.2); `None` if it is of
/// another origin, or no reference.
fn resolve(host: &str, base: &str, reference: &str) -> Option<String> {
    let reference = reference.trim_matches([' ', '\t']);
    let reference = reference.split('#').next().unwrap_or_default();
    let (default_port, rest) = match split_scheme(reference) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(":80"), rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(":443"), rest),
        Some(_) => return None,
        None => (None, reference),
    };
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            if !same_host(host, authority, default_port) {
                return None;
            }
            absolute(path)
        }
        // `http:path` is a reference of the past (RFC 3986 §5.2.2, note).
        None if default_port.is_some() => return None,
        None => relative(base, rest),
    };
    let path = without_dots(&path);
    PathAndQuery::try_from(path.as_str()).ok()?;
    Some(path)
}

/// Splits off the scheme (RFC 3986 §3.1).
fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let mut bytes = scheme.bytes();
    let valid = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    valid.then_some((scheme, rest))
}

/// Compares without case, without user information and without a port that says nothing.
fn same_host(host: &str, authority: &str, default_port: Option<&str>) -> bool {
    fn bare<'a>(authority: &'a str, default_port: Option<&str>) -> &'a str {
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = host.strip_suffix(':').unwrap_or(host);
        default_port
            .and_then(|port| host.strip_suffix(port))
            .unwrap_or(host)
    }
    bare(host, default_port).eq_ignore_ascii_case(bare(authority, default_port))
}

/// What follows an authority.
fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

/// A reference without scheme and authority, merged with the base (RFC 3986 §5.2.2, §5.2.3).
fn relative(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    let base_path = base.split('?').next().unwrap_or_default();
    if reference.starts_with('?') {
        return format!("{base_path}{reference}");
    }
    let folder = base_path.rfind('/').map_or("/", |at| &base_path[..=at]);
    format!("{folder}{reference}")
}

/// Removes dot segments from the path (RFC 3986 §5.2.4).
fn without_dots(path_and_query: &str) -> String {
    let (path, query) = match path_and_query.find('?') {
        Some(at) => path_and_query.split_at(at),
        None => (path_and_query, ""),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests;
