//! `--threads`.

use clap::{Args, value_parser};
use tokio::runtime::{Builder, Runtime};

/// More than any machine has cores; each thread takes memory.
const MOST: i64 = 1024;

/// How many threads a command works on. The result is the same with any number.
#[derive(Args, Clone, Copy, Default)]
pub struct Threads {
    /// Work on this many threads [default: as many as the machine has cores]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=MOST))]
    threads: Option<u16>,
}

impl Threads {
    /// The threads; the engine works on all of them.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start(self) -> std::io::Result<Runtime> {
        let mut builder = Builder::new_multi_thread();
        if let Some(threads) = self.threads {
            builder.worker_threads(threads.into());
        }
        builder.enable_all().build()
    }
}
