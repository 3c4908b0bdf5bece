//! The claims of the contract of `SharedTier`, for any adapter.

pub(crate) mod commits;
pub(crate) mod leases;
pub(crate) mod marks;
pub(crate) mod purges;

/// A test of each claim for the adapter that `$make` sets up. A claim that is missing here is dead
/// code, which the compiler warns of.
#[allow(unused_macros, reason = "each test binary uses its own part of this")]
macro_rules! suite {
    ($attribute:meta, $make:path) => {
        $crate::claims::list! { each { $attribute, $make } }
    };
}

/// All claims in turn on the one adapter, where it is much work to set one up.
#[allow(unused_macros, reason = "each test binary uses its own part of this")]
macro_rules! in_turn {
    ($bench:expr) => {
        $crate::claims::list! { run { $bench } }
    };
}

macro_rules! list {
    ($with:ident $arguments:tt) => {
        $crate::claims::$with! { $arguments
            commits::bytes_come_back_as_they_were_committed,
            commits::a_commit_after_the_lease_ran_out_counts_if_nobody_took_over,
            commits::what_is_held_up_on_its_way_is_not_fresh_for_longer,
            commits::without_any_evidence_a_commit_is_lost,
            commits::the_lease_is_evidence_where_the_entry_was_lost,
            commits::a_waiter_of_a_lost_entry_leaves_nothing_behind_for_ever,
            commits::somebody_elses_token_is_no_evidence,
            commits::a_commit_without_a_body_keeps_the_body_and_its_version,
            commits::a_later_commit_is_never_replaced_by_an_earlier_one,
            leases::an_unknown_entry_is_leased_to_one_and_the_other_waits_for_its_fence,
            leases::asking_again_with_the_same_token_gives_the_same_lease,
            leases::a_fresh_entry_is_answered_and_not_leased,
            leases::force_leases_a_fresh_entry_and_still_shows_it,
            leases::force_is_about_the_version_that_the_caller_has,
            leases::a_stale_entry_is_leased_and_its_age_goes_on_in_negative_numbers,
            leases::content_is_sent_exactly_if_the_caller_has_another_version,
            leases::a_lease_that_ran_out_goes_to_the_next_with_a_larger_fence,
            leases::fences_rise_over_every_loss,
            leases::a_renewed_lease_outlives_its_first_term,
            leases::a_released_lease_goes_to_the_next_at_once,
            leases::extreme_durations_are_taken,
            marks::a_peek_never_grants_and_never_makes_a_waiter,
            marks::a_commit_is_told_exactly_if_somebody_was_told_to_wait,
            marks::a_release_is_told_exactly_if_somebody_was_told_to_wait,
            marks::a_purge_is_told_always_and_on_every_node,
            marks::a_listener_that_is_gone_is_not_called,
            marks::a_mark_holds_everyone_off_but_who_insists,
            marks::a_mark_ends_by_itself_and_by_a_purge,
            marks::a_release_by_somebody_else_leaves_no_mark,
            purges::a_hard_purge_takes_the_entry_away,
            purges::a_soft_purge_leaves_the_entry_stale_and_never_less_so,
            purges::what_was_fetched_before_a_purge_is_not_stored_after_it,
            purges::a_commit_sent_again_after_a_purge_is_not_taken_for_stored,
            purges::a_purge_even_of_nothing_ends_the_right_of_those_before_it,
            // Last: entries are under other names from then on.
            purges::a_purge_of_everything_takes_all_entries_away_on_every_node,
            purges::what_was_fetched_before_a_purge_of_everything_is_seen_by_no_one_after_it,
            purges::purges_of_everything_have_rising_fences_over_every_loss,
        }
    };
}

#[allow(unused_macros, reason = "each test binary uses its own part of this")]
macro_rules! each {
    ({ $attribute:meta, $make:path } $($theme:ident::$name:ident,)*) => {
        $(
            #[$attribute]
            async fn $name() {
                let bench = $make().await;
                $crate::claims::$theme::$name(&bench).await;
                $crate::support::Bench::check(&bench).await;
            }
        )*
    };
}

#[allow(unused_macros, reason = "each test binary uses its own part of this")]
macro_rules! run {
    ({ $bench:expr } $($theme:ident::$name:ident,)*) => {
        let bench = $bench;
        $(
            // What fails is what was named last.
            eprintln!(stringify!($name));
            $crate::claims::$theme::$name(&bench).await;
            $crate::support::Bench::check(&bench).await;
        )*
    };
}

#[allow(unused_imports, reason = "each test binary uses its own part of this")]
pub(crate) use {each, in_turn, list, run, suite};
