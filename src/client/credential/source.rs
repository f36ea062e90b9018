//! `auth.tokenSource` and `auth.oidc.tokenSource`: a value from a file or a command.
//!
//! Owns frpc's words about it. Does not wait: the command is a job of the loop's, and so is the reading of the file. Always
//! true: a value has no white space around it and is UTF-8; no message holds any of it. Worst case: [`MAX_VALUE`].

use super::{Kind, MAX_VALUE};
use crate::client::failure::reason;
use crate::config::Secret;
use crate::net::job::Output;
use crate::net::{FileDone, FileJob, Job, JobError, Net, Token};
use std::io::{self, ErrorKind};

/// What is asked, for a log line.
pub(super) fn name(source: &Secret) -> &str {
    match source {
        Secret::Fixed(_) => "the configuration",
        Secret::File(path) => path,
        Secret::Exec(command) => &command.command,
    }
}

/// Starts to get the value.
pub(super) fn start(source: &Secret, token: Token, net: &mut dyn Net) -> Result<Kind, String> {
    match source {
        Secret::Exec(command) => {
            let job = Job {
                program: command.command.clone().into(),
                args: command.args.iter().map(Into::into).collect(),
                env: command.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
                stdin: Vec::new(),
                max_output: MAX_VALUE,
            };
            net.spawn(job, token).map_err(|e| failed(&command.command, &not_started(&command.command, &e)))?;
            Ok(Kind::Job)
        }
        Secret::File(path) => {
            net.files(FileJob::Read { paths: vec![path.into()] }, token);
            Ok(Kind::Files)
        }
        Secret::Fixed(_) => Err("there is no source".to_owned()),
    }
}

/// What a command printed.
pub(super) fn printed(source: &Secret, result: Result<Output, JobError>) -> Result<String, String> {
    let name = name(source);
    let output = result.map_err(|e| failed(name, &e.to_string()))?;
    if !output.status.success() {
        if let Some(line) = String::from_utf8_lossy(&output.stderr).lines().next() {
            log::debug!("{name} said: {}", line.escape_debug());
        }
        return Err(failed(name, &output.status.to_string()));
    }
    value(output.stdout).ok_or_else(|| failed(name, "its output is not UTF-8"))
}

/// What is in a file.
pub(super) fn read(source: &Secret, result: Result<FileDone, String>) -> Result<String, String> {
    let name = name(source);
    let failed = |why: &str| format!("failed to read file {name}: {why}");
    let files = match result.map_err(|e| failed(&e))? {
        FileDone::Read(files) => files,
        FileDone::Written | FileDone::Listed(_) => Vec::new(),
    };
    let file = files.into_iter().next().unwrap_or_else(|| Err("nothing was read".to_owned()));
    let bytes = file.map_err(|e| failed(&e))?.bytes;
    if bytes.len() > MAX_VALUE {
        return Err(failed(&format!("larger than {MAX_VALUE} bytes")));
    }
    value(bytes).ok_or_else(|| failed("it is not UTF-8"))
}

fn value(bytes: Vec<u8>) -> Option<String> {
    Some(String::from_utf8(bytes).ok()?.trim().to_owned())
}

fn failed(command: &str, why: &str) -> String {
    format!("failed to execute command {command}: {why}")
}

/// Why a command could not be started, in Go's words.
fn not_started(command: &str, e: &io::Error) -> String {
    let found = !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied);
    match e.kind() {
        _ if !found && !command.contains('/') => format!("exec: {command:?}: executable file not found in $PATH"),
        ErrorKind::NotFound => format!("fork/exec {command}: no such file or directory"),
        _ => format!("fork/exec {command}: {}", reason(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Command;
    use crate::net::files::FileRead;
    use crate::net::job::Status;

    fn exec() -> Secret {
        Secret::Exec(Command { command: "tool".to_owned(), args: Vec::new(), env: Vec::new() })
    }

    fn output(status: Status, stdout: &[u8]) -> Result<Output, JobError> {
        Ok(Output { status, stdout: stdout.to_vec(), stderr: b"a secret\nmore".to_vec() })
    }

    #[test]
    fn a_command_gives_its_trimmed_output_or_frpcs_words() {
        let done = Status::Exited(0);
        assert_eq!(printed(&exec(), output(done, b" \t tok en\r\n\n")), Ok("tok en".to_owned()));
        assert_eq!(printed(&exec(), output(done, b"")), Ok(String::new()));
        let failed = |why: &str| Err(format!("failed to execute command tool: {why}"));
        assert_eq!(printed(&exec(), output(Status::Exited(3), b"x")), failed("exit status 3"));
        assert_eq!(printed(&exec(), output(Status::Signalled(9), b"x")), failed("signal: 9"));
        assert_eq!(printed(&exec(), output(done, b"\xff")), failed("its output is not UTF-8"));
        assert_eq!(printed(&exec(), Err(JobError::TooMuch)), failed("its output is too long"));
    }

    #[test]
    fn a_file_gives_its_trimmed_text_or_frpcs_words() {
        let source = Secret::File("/token".to_owned());
        let file = |bytes: &[u8]| Ok(FileDone::Read(vec![Ok(FileRead { bytes: bytes.to_vec(), mode: 0o600 })]));
        assert_eq!(read(&source, file(b"\ntoken\n")), Ok("token".to_owned()));
        assert_eq!(read(&source, file(&vec![b'a'; MAX_VALUE])).map(|text| text.len()), Ok(MAX_VALUE));
        let failed = |why: &str| Err(format!("failed to read file /token: {why}"));
        assert_eq!(read(&source, file(&vec![b'a'; MAX_VALUE + 1])), failed("larger than 65536 bytes"));
        assert_eq!(read(&source, file(b"\xff")), failed("it is not UTF-8"));
        let missing = Err("open /token: no such file or directory".to_owned());
        let words = failed("open /token: no such file or directory");
        assert_eq!(read(&source, Ok(FileDone::Read(vec![missing]))), words);
    }

    #[test]
    fn what_cannot_be_started_is_told_as_by_go() {
        let error = |kind: ErrorKind| io::Error::from(kind);
        let missing = "exec: \"tool\": executable file not found in $PATH";
        assert_eq!(not_started("tool", &error(ErrorKind::NotFound)), missing);
        assert_eq!(not_started("./tool", &error(ErrorKind::NotFound)), "fork/exec ./tool: no such file or directory");
        assert_eq!(not_started("/tool", &error(ErrorKind::PermissionDenied)), "fork/exec /tool: permission denied");
    }
}
