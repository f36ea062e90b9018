//! The program; everything is in [`redial::cli`].

fn main() -> std::process::ExitCode {
    redial::cli::run(std::env::args_os())
}
