//! The only wiring: queues, threads, start, drain.
