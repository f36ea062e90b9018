//! What is fuzzed of the HTTP client machine, which reads the answers of an OIDC issuer.
//!
//! Owns the promises of `proto::http::client` for any bytes; [`promises`] panics if one is broken. Shared by the fuzzer and
//! by `tests/answers.rs`, which replays `seeds/client`. Always true: the same bytes do the same.

use redial::proto::http::client::{Answer, Client, ClientError};

/// Body that an answer may have.
const LIMIT: usize = 200;

type Outcome = Result<Option<Answer>, ClientError>;

/// Bytes of an answer, with the connection's end after them and without it.
pub(crate) fn promises(data: &[u8]) {
    for ended in [false, true] {
        let whole = outcome(data, data.len().max(1), ended);
        for step in [data.len().max(1), 1, 7, 64] {
            assert_eq!(outcome(data, step, ended), whole, "in pieces of {step} it means something else");
        }
        match whole {
            Ok(Some(answer)) => {
                assert!(answer.body.len() <= LIMIT, "a body of {} bytes", answer.body.len());
                assert!(!(100..200).contains(&answer.status), "an interim answer is none");
                assert!(answer.status_line.starts_with(&answer.status.to_string()));
            }
            Ok(None) => assert!(!ended, "it waits for who has gone"),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                let cut = matches!(error, ClientError::Eof | ClientError::Cut);
                assert!(ended || !cut, "the connection has not ended: {error}");
            }
        }
    }
}

/// What comes of the bytes in pieces of this size.
fn outcome(data: &[u8], step: usize, ended: bool) -> Outcome {
    let mut client = Client::new(LIMIT);
    for piece in data.chunks(step) {
        client.feed(piece);
        match client.poll() {
            Ok(None) => {}
            Ok(answer) => return Ok(answer),
            Err(error) => return refused(client, error),
        }
    }
    if ended {
        client.on_eof();
    }
    match client.poll() {
        Err(error) => refused(client, error),
        other => other,
    }
}

/// After an error nothing is looked at: no later bytes make an answer of it.
fn refused(mut client: Client, error: ClientError) -> Outcome {
    for _ in 0..2 {
        assert_eq!(client.poll().as_ref(), Err(&error), "asked again");
        client.feed(b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    Err(error)
}
