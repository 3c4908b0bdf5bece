//! The two servers, and what is said to them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderValue;

use crate::nginx::Nginx;
use crate::support::client::{Answer, Client};
use crate::support::proxy::Proxy;
use crate::tree::{MAX_BODY, Page, Tree};

/// An nginx, the proxy before it, and a client of each.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) nginx: Nginx,
    pub(crate) pages: Vec<Arc<Page>>,
    pub(crate) begun: SystemTime,
    pub(crate) through: Client,
    pub(crate) origin: Client,
    _tree: Tree,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: &'static str,
    pub(crate) target: String,
    fields: Vec<(&'static str, String)>,
}

impl Stage {
    /// Starts both servers.
    pub(crate) async fn set() -> Self {
        let mut tree = Tree::plant();
        let nginx = Nginx::start(tree.root());
        let largest = MAX_BODY.to_string();
        let proxy = Proxy::spawn(&[
            "--origin",
            &nginx.url(),
            "--max-body-size",
            &largest,
            // Nothing has to leave for want of room.
            "--local-capacity",
            "2GiB",
        ])
        .await;
        Self {
            through: proxy.client(),
            origin: Client::new(nginx.url()),
            pages: tree.pages.drain(..).map(Arc::new).collect(),
            begun: now(),
            proxy,
            nginx,
            _tree: tree,
        }
    }
}

impl Ask {
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            fields: Vec::new(),
        }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// As a browser would.
    pub(crate) fn gzip(self) -> Self {
        self.with("accept-encoding", "gzip")
    }

    pub(crate) async fn send(&self, client: &Client) -> Answer {
        let mut request = client.request(self.method, &self.target);
        for (name, value) in &self.fields {
            let value = HeaderValue::from_str(value).expect("tests write valid fields");
            request.headers_mut().append(*name, value);
        }
        client.send(request).await
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.fields {
            write!(f, " {name}: {value}")?;
        }
        Ok(())
    }
}

/// The time by the clock of all three, to compare their dates with.
#[expect(clippy::disallowed_methods, reason = "there is no other clock here")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
