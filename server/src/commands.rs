//! The commands of `reconciliation-server` and their exit codes.

use clap::{Parser, Subcommand};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::{Config, EXIT_CONFIG, VARIABLES, process_env};
use crate::{app, telemetry};

mod admin;
mod audit_indexes;
mod grants;
mod migrate;
mod verify_audit;

const AFTER: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 78 wrong configuration (every \
                     bad variable is named, and nothing was connected or opened).";

/// The API of a ReconciliationPlatform and its run workers.
#[derive(Parser)]
#[command(name = "reconciliation-server", version, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API and work on runs
    Serve,
    /// Bring the database's schema up to this version
    #[command(
        long_about = "Bring the database's schema up to this version. Reads MIGRATION_DATABASE_URL, \
        DATABASE_URL and LOCK_TIMEOUT only. Where the two URLs have different roles, the one of \
        DATABASE_URL gets exactly the rights that the API needs. On failure the migration and the database's message are printed and \
        also written to TERMINATION_MESSAGE_PATH."
    )]
    Migrate,
    /// Check the configuration exactly as serve does, and exit
    #[command(
        long_about = "Check the configuration exactly as serve does, and exit. Nothing is \
        connected. The names of bad variables are also written to TERMINATION_MESSAGE_PATH."
    )]
    CheckConfig,
    /// Verify that the audit log is whole and unchanged
    #[command(
        long_about = "Verify that the audit log is whole and unchanged: every entry has its hash \
        and follows the one before, and the log holds every head that was exported. Heads are read \
        from the object store where STORAGE_URL is set, and from --head: the API's processes log \
        one as `audit head` now and then. Every deviation is printed, and the exit code is 1."
    )]
    VerifyAudit {
        /// A head that must be part of the log, as NUMBER:HASH; repeatable
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Vec<crate::db::audit::Head>,
    },
    /// Look for missing, unused, duplicate and bloated indexes; changes nothing
    #[command(
        long_about = "Look for missing, unused, duplicate and bloated indexes; changes nothing. \
        Reads DATABASE_URL only, and the API's role is enough. Every named query of this program is \
        explained with values of the database's own rows: one that only reads is run and measured, \
        in a read-only transaction that is rolled back; one that writes or locks is planned and not \
        run, since even a rolled back write locks rows and leaves dead ones. The report has findings \
        with statements that would mend them, how each query reads its tables, and what could not be \
        seen. No statement is carried out: put what you decide on into a migration of its own. The \
        report holds no values of rows. docs/index-audit.md has the quarterly procedure.",
        after_long_help = "Examples:\n  \
        reconciliation-server audit-indexes\n  \
        reconciliation-server audit-indexes --format markdown,json --output index-audit\n  \
        reconciliation-server audit-indexes --format json | jq '.findings[].statements[]'\n\n\
        Exit codes: 0 the report is written, 1 the database cannot be looked at or, with \
        --fail-on-findings, there are findings, 2 wrong arguments, 78 wrong configuration."
    )]
    AuditIndexes(audit_indexes::Options),
    /// Print the OpenAPI document of the API
    #[command(
        long_about = "Print the OpenAPI document of the API, as /api/openapi.json has it. Nothing is \
        read or connected."
    )]
    Openapi,
    /// Manage platform admins
    #[command(subcommand)]
    Admin(AdminCommand),
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Create a platform admin; the password is read from standard input
    Create {
        /// The e-mail address to log in with
        #[arg(long)]
        email: String,
        /// Make a random password and print it once
        #[arg(long)]
        generate: bool,
    },
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = {
        let matches = <Cli as clap::CommandFactory>::command()
            .after_help(format!("{}\n{AFTER}", variables_help()))
            .get_matches();
        match <Cli as clap::FromArgMatches>::from_arg_matches(&matches) {
            Ok(cli) => cli,
            Err(error) => error.exit(),
        }
    };
    // Only fails where a provider is installed already, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        Command::Openapi => match crate::openapi::text() {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        Command::CheckConfig => match Config::from_env(&process_env) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => refuse(&error.to_string()),
        },
        Command::Serve => match Config::from_env(&process_env) {
            Ok(config) => {
                telemetry::init_logs(&config.log_filter);
                run(app::serve(config))
            }
            Err(error) => refuse(&error.to_string()),
        },
        Command::Migrate => match Config::migration_from_env(&process_env) {
            Ok((config, filter)) => {
                telemetry::init_logs(&filter);
                run(migrate::run(config))
            }
            Err(error) => refuse(&error.to_string()),
        },
        Command::VerifyAudit { head } => match Config::audit_from_env(&process_env) {
            Ok((database, storage)) => run(verify_audit::run(database, storage, head)),
            Err(error) => refuse(&error.to_string()),
        },
        Command::AuditIndexes(options) => match Config::database_from_env(&process_env) {
            Ok((database, _)) => run(audit_indexes::run(database, options)),
            Err(error) => refuse(&error.to_string()),
        },
        Command::Admin(AdminCommand::Create { email, generate }) => {
            match Config::database_from_env(&process_env) {
                Ok((database, _)) => run(admin::create(database, email, generate)),
                Err(error) => refuse(&error.to_string()),
            }
        }
    }
}

/// Runs a command to its end on a new runtime; its error is printed here and nowhere else.
fn run(command: impl Future<Output = Result<(), String>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(command);
    // A blocked thread, such as an engine at work, must not hold up the exit.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("{message}");
    write_termination_message(message);
    ExitCode::from(EXIT_CONFIG)
}

/// Tells Kubernetes why the container ends. Only a file that is there already is written: outside
/// a container there is none, and none is to be made.
fn write_termination_message(message: &str) {
    let path = process_env("TERMINATION_MESSAGE_PATH")
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| "/dev/termination-log".into());
    if let Ok(mut file) = OpenOptions::new().write(true).truncate(true).open(path) {
        // Kubernetes keeps 4096 bytes; it is a courtesy, so a failure changes nothing.
        let _ = file.write_all(message.as_bytes().get(..4096).unwrap_or(message.as_bytes()));
    }
}

fn variables_help() -> String {
    let mut help = String::from("Environment variables:\n");
    for (name, meaning) in VARIABLES {
        let _ = writeln!(help, "  {name:<26} {meaning}");
    }
    help
}
