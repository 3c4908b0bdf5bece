//! Every future dropped at each of its polls.
