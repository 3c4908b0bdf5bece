//! The edge cases of Redis, one test for each: what its users see, in time and in requests to the
//! origin.
//!
//! Every case runs on real servers of its own and through whole nodes: caches before an origin that
//! counts, or the proxy where a process has to be killed or paused. Times are bounds of what a user
//! waits; what the machine itself let a thread wait is measured beside them and comes on top.
//!
//! The table below is both: each line of it makes the test of its name out of the function of that
//! name, above which the whole row is quoted: the case, what happens, what the user sees. A line
//! without its function does not compile, a function without its line is unused code, and the test
//! at the end reads the quotes.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod relay;
mod stage;
mod store;
mod timed;
mod trouble;
mod turn;

mod clocks;
mod events;
mod foreign;
mod frozen_under_load;
mod holder;
mod load;
mod losses;
mod origin;
mod purge;
mod replies;
mod scripts;
mod topology;

macro_rules! rows {
    ($($theme:ident { $($case:literal => $name:ident,)* })*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let _turn = turn::among_others().await;
                $theme::$name().await;
            }
        )*)*

        /// Each row: its case, its test, and the text of the file where that is.
        const ROWS: &[(&str, &str, &str)] = &[$($((
            $case,
            stringify!($name),
            include_str!(concat!(stringify!($theme), ".rs")),
        ),)*)*];
    };
}

rows! {
    holder {
        "Holder SIGKILLed" => holder_killed,
        "Holder paused beyond TTL, then commits" => holder_paused_beyond_its_lease_then_commits,
        "Client disconnects" => client_disconnects,
        "Runtime shutdown" => runtime_shutdown,
    }
    origin {
        "Origin 5xx / timeout" => origin_fails_or_times_out,
        "Response uncacheable / too large" => response_uncacheable_or_too_large,
        "304 from origin" => not_modified,
        "304 but E evicted" => not_modified_but_entry_evicted,
    }
    replies {
        "Same commit sent twice" => same_commit_sent_twice,
        "Acquire reply lost, retried" => acquire_reply_lost_and_retried,
        "Acquire timed out, never retried" => acquire_timed_out_and_never_retried,
    }
    events {
        "Event lost" => event_lost,
        "Subscriber cut (slow, output buffer limit)" => subscriber_cut_by_the_output_buffer_limit,
    }
    purge {
        "Purge during a refresh" => purge_during_a_refresh,
        "Purge while a node is cut off" => purge_while_a_node_is_cut_off,
    }
    losses {
        "FLUSHALL / restart empty" => flushall_or_restart_empty,
        "Lease evicted" => lease_evicted,
        "E evicted, lease alive" => entry_evicted_while_the_lease_is_alive,
        "OOM, noeviction" => out_of_memory_without_eviction,
    }
    scripts {
        "SCRIPT FLUSH / new master" => script_flush_or_new_master,
        "BUSY script, LOADING, CLIENT PAUSE" => busy_script_loading_or_client_pause,
        "Two app versions" => two_app_versions,
    }
    topology {
        "READONLY (demoted master, replica)" => readonly_demoted_master,
        "MOVED / ASK / TRYAGAIN / CLUSTERDOWN" => moved_ask_tryagain_or_clusterdown,
        "Failover lost lease and f" => failover_lost_lease_and_fence,
        "Two masters for seconds (Sentinel)" => two_masters_for_seconds,
    }
    foreign {
        "WRONGTYPE" => wrong_type,
        "Corrupt or truncated `m`/`b`" => corrupt_or_truncated_meta_or_body,
        "Redis ACL forbids EVAL/PUBLISH" => acl_forbids_eval_or_publish,
    }
    load {
        "Redis frozen" => redis_frozen,
        "Redis killed" => redis_killed,
        "Hot key, 10 k requests per node" => hot_key_10k_requests_per_node,
    }
    clocks {
        "Master clock steps back" => master_clock_steps_back,
        "Master clock far ahead" => master_clock_far_ahead,
    }
}

#[test]
fn every_row_is_quoted_above_its_test() {
    assert_eq!(ROWS.len(), 34, "rows of the table");
    for (case, name, file) in ROWS {
        let quote = file.find(&format!("/// > {case} | "));
        let quote = quote.unwrap_or_else(|| panic!("{case} is not quoted"));
        let below = &file[quote..];
        let code = below.find("\npub(crate) async fn ").expect("a test below");
        let comment = below[..code].replace("\n/// >", "");
        assert!(!comment.contains('\n'), "{case}");
        assert_eq!(comment.matches(" | ").count(), 2, "{case}: three columns");
        let test = format!("\npub(crate) async fn {name}()");
        assert!(below[code..].starts_with(&test), "{case}");
    }
}
