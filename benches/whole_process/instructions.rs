//! Instructions of a request in user space, as valgrind counts them: other than times, they do not
//! move from run to run.

use std::fmt::Write as _;
use std::process::Command;

use crate::load::{Clients, End};
use crate::peers;
use crate::rounds::CONNECTIONS;
use crate::server::{self, Server};
use crate::support::find;

/// Of each connection: what the second has more is what requests cost.
const FEW: u64 = 10;
const MANY: u64 = 110;

/// A table of all that say their address and are one process.
pub(crate) fn table(origin: &str, size: usize, peers: bool) -> String {
    if find("valgrind").is_none() {
        return "valgrind is not installed: instructions are not counted".to_owned();
    }
    let mut servers = vec![
        ("bare hyper", server::of_this("bare", &size.to_string())),
        ("moka, no rules", server::of_this("floor", origin)),
        ("bellwether", server::proxy(origin)),
    ];
    if peers {
        servers.push(("tower-http-cache", peers::tower_http_cache_command(origin)));
    }
    let mut text = format!(
        "Instructions in user space for a hit of {} KiB:\n\n| server | instructions | beside bare hyper |\n\
         |---|---|---|\n",
        size >> 10
    );
    let mut bare = None;
    for (name, command) in servers {
        let count = (counted(&command, MANY) - counted(&command, FEW)) as f64
            / (CONNECTIONS as u64 * (MANY - FEW)) as f64;
        let ratio = count / *bare.get_or_insert(count);
        let _ = writeln!(text, "| {name} | {count:.0} | {ratio:.2} |");
    }
    text
}

/// Of a server's whole life.
fn counted(command: &Command, requests: u64) -> u64 {
    let server = Server::counting(command);
    Clients::connect(&server.address, CONNECTIONS).run(End::Count(requests));
    server.counted()
}
