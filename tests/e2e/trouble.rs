//! Settings and surroundings that do not fit: taken ports and names, no service, the wrong mux; and the user prefix.

use std::net::TcpListener;
use std::time::Instant;

use crate::process::Mark;
use crate::service::Service;
use crate::site;
use crate::stage::{ALL_MODES, DEFAULT_MODE, Link, LinkTest, Plan, Stage, TLS_MODES};
use crate::user;
use crate::wait::{Context, Outcome, SOON, ensure};

pub(crate) const TESTS: &[LinkTest] = &[
    ("port_of_another_proxy", DEFAULT_MODE, port_of_another_proxy),
    ("port_outside_frp", DEFAULT_MODE, port_outside_frp),
    ("name_of_another_proxy", DEFAULT_MODE, name_of_another_proxy),
    ("service_down", TLS_MODES, service_down),
    ("mux_mismatch", ALL_MODES, mux_mismatch),
    ("user_prefix", DEFAULT_MODE, user_prefix),
];

fn port_of_another_proxy(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let text = client_file(link, stage, stage.service.port, stage.port()).replace("\"p0\"", "\"q0\"");
        expect_start_error(stage, &text, "[q0] start error: port already used")
    })
}

fn port_outside_frp(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let port = site::free_port()?;
        let _taken = TcpListener::bind(("127.0.0.1", port)).context("taking a port")?;
        let text = client_file(link, stage, stage.service.port, port).replace("\"p0\"", "\"q0\"");
        expect_start_error(stage, &text, "[q0] start error: port unavailable")
    })
}

fn name_of_another_proxy(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let text = client_file(link, stage, stage.service.port, site::free_port()?);
        expect_start_error(stage, &text, "[p0] start error: proxy [p0] already exists")
    })
}

fn client_file(link: Link, stage: &Stage, service: u16, remote: u16) -> String {
    Plan::new(link).client_file(stage.server.settings.port, service, &[remote])
}

/// A second client is told why its proxy is refused and stays; the first one's goes on working.
fn expect_start_error(stage: &Stage, text: &str, line: &str) -> Outcome {
    let mut second = stage.second_client(text)?;
    let told = second.expect(Mark::START, line, SOON).and_then(|_| second.expect_alive());
    told.map_err(|error| format!("{error}\n{}", second.tail()))?;
    user::echo_byte(stage.port())
}

/// No service behind the proxy: the user's connection is closed at once. With a service it works, without a restart.
/// The client says why at least once; a line for every user is not asked for.
fn service_down(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let (service, remote) = (site::free_port()?, site::free_port()?);
        let text = client_file(link, stage, service, remote).replace("\"p0\"", "\"q0\"");
        let second = stage.second_client(&text)?;
        let seen = (|| {
            second.expect(Mark::START, "[q0] start proxy success", SOON)?;
            for _ in 0..3 {
                let start = Instant::now();
                user::expect_end(&user::connect(remote)?)?;
                ensure!(start.elapsed().as_secs() < 1, "the user's end came after {:?}", start.elapsed());
            }
            let line = format!("[q0] connect to local service [127.0.0.1:{service}] error: ");
            second.expect(Mark::START, &line, SOON)?;
            let _service = Service::start(service)?;
            user::echo_byte(remote).context("after the service came")
        })();
        seen.map_err(|error| format!("{error}\n{}", second.tail()))
    })
}

/// One end muxes and the other does not: the client says so and tries again.
fn mux_mismatch(link: Link) -> Outcome {
    let extra = "loginFailExit = false".into();
    let plan = Plan { same_mux: false, client_extra: extra, ..Plan::unregistered(link) };
    plan.play(|stage| {
        stage.client.expect_times(2, Mark::START, "connect to server error: ", SOON)?;
        stage.client.expect_alive()
    })
}

/// The user's name goes before the proxy's on the server, and nowhere in the client's lines.
fn user_prefix(link: Link) -> Outcome {
    let plan = Plan { client_extra: "user = \"alice\"".into(), ..Plan::new(link) };
    plan.play(|stage| {
        stage.server.process.expect(Mark::START, "new proxy [alice.p0] type [tcp] success", SOON)?;
        ensure!(stage.client.count(Mark::START, "[alice.p0]") == 0, "the client names its proxy alice.p0");
        user::crowd(stage.port(), 5, 100)
    })
}
