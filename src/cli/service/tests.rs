use super::*;
use crate::config::Loader;
use log::{LevelFilter, Log, Metadata, Record};
use std::cell::Cell;

struct Collector;

thread_local! {
    static LINES: Cell<Vec<String>> = const { Cell::new(Vec::new()) };
}

impl Log for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut lines = LINES.take();
        lines.push(record.args().to_string());
        LINES.set(lines);
    }

    fn flush(&self) {}
}

#[test]
fn after_a_failed_first_login_there_is_no_second_try() {
    if log::set_logger(&Collector).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
    // A port that was free a moment ago refuses.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let toml = format!(
        "serverAddr = \"127.0.0.1\"\nserverPort = {port}\ntransport.tls.enable = false\n\
         [[proxies]]\nname = \"p\"\ntype = \"tcp\"\nlocalPort = 1\n"
    );
    let config = Loader::default().parse("x.toml", &toml).unwrap().config;
    LINES.take();
    let machine = Machine { hostname: "test".to_owned(), memory_available: Some(1 << 30) };
    let mut net = Os::new(None).unwrap();
    let client = Client::new(&config, &machine, net.now()).unwrap();
    let desk = Desk::open(&config, "x.toml", &mut net).unwrap();
    let reloader = Reloader::new("x.toml", config, machine);
    let (state, loader) = (State::none(), Loader::default());
    let notify = Notify::new();
    let exit = Service { client, reloader, desk, state, loader, notify, terminal: false }.run(&mut net).unwrap();
    assert!(matches!(&exit, Exit::LoginFailed(why) if why.contains("refused")), "{exit:?}");
    let lines = LINES.take();
    let said = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((said("try to connect"), said("connect to server error")), (1, 1), "{lines:?}");
}
