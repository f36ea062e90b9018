//! `status`, `reload` and `stop` against real frpc's admin server, beside frpc's own. Left out where the peers are not.

use super::*;
use std::net::TcpListener;
use std::process::Child;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A process that ends with the test.
pub(super) struct Guard(pub(super) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
pub(super) fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks again until the answer is as it should be.
pub(super) fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(super) fn start(dir: &Dir, program: &Path, args: &[&str]) -> Guard {
    Guard(dir.command(program, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Both programs say the same; what they said.
fn same(dir: &Dir, real: &Path, line: &str) -> Said {
    let (ours, theirs) = (dir.ours(line), dir.ask(real, line));
    assert_eq!(ours, theirs, "{line}");
    ours
}

#[test]
fn real_frpc_is_asked() {
    let (dir, real) = (Dir::new(), real());
    let frps = std::env::var_os("REDIAL_PEERS").map(|peers| PathBuf::from(peers).join("frps-0.70.1"));
    let (Some(real), Some(frps)) = (real, frps.filter(|path| path.is_file())) else {
        println!("REDIAL_PEERS does not hold frpc-0.70.1 and frps-0.70.1: left out");
        return;
    };
    let (server, admin, remote) = (port(), port(), port());
    dir.write(
        "frps.toml",
        &format!("bindAddr = \"127.0.0.1\"\nbindPort = {server}\nallowPorts = [{{single = {remote}}}]\n"),
    );
    let text = format!(
        "serverAddr = \"127.0.0.1\"\nserverPort = {server}\nloginFailExit = false\nwebServer.port = {admin}\n\
         webServer.user = \"u\"\nwebServer.password = \"p:w\"\n\
         [[proxies]]\nname = \"ssh é\"\ntype = \"tcp\"\nlocalPort = 22\nremotePort = {remote}\n\
         [[proxies]]\nname = \"bad\"\ntype = \"tcp\"\nlocalPort = 22\nremotePort = 1\n\
         [[proxies]]\nname = \"far\"\ntype = \"udp\"\nlocalPort = 22\nremotePort = 1\n\
         [[proxies]]\nname = \"plug\"\ntype = \"stcp\"\nsecretKey = \"k\"\nplugin.type = \"http_proxy\"\n"
    );
    dir.write("frpc.toml", &text);
    let _frps = start(&dir, &frps, &["-c", "frps.toml"]);
    // Nobody is there yet.
    for ask in ["status", "reload", "reload --strict_config=false", "stop"] {
        let said = same(&dir, &real, &format!("{ask} -c frpc.toml"));
        assert!(said.code == Some(1) && said.out.contains("connection refused"), "{said:?}");
    }
    let mut frpc = start(&dir, &real, &["-c", "frpc.toml"]);
    let status = "status -c frpc.toml";
    until("all proxies are told", || {
        let said = dir.ours(status).out;
        said.matches("running").count() == 2 && said.matches("not allowed").count() == 2
    });
    let said = same(&dir, &real, status);
    assert!(said.code == Some(0) && said.out.contains("ssh é  running"), "{said:?}");
    // The wrong password, and a file that asks for no server.
    dir.write("wrong.toml", &text.replace("p:w", "q"));
    assert_eq!(same(&dir, &real, "status -c wrong.toml").out, "api status code [401]\n");
    dir.write("none.toml", "serverAddr = \"127.0.0.1\"\n");
    same(&dir, &real, "status -c none.toml");
    // A changed file; frpc knows nothing of a confirmation.
    dir.write("frpc.toml", &text.replace("\"ssh é\"", "\"other\""));
    assert_eq!(same(&dir, &real, "reload -c frpc.toml").out, "reload success\n");
    until("the reload is seen", || dir.ours(status).out.contains("other  running"));
    let said = dir.ours("reload -c frpc.toml --confirm 5");
    assert!(said.code == Some(1) && said.out.contains("does not know --confirm"), "{said:?}");
    let said = dir.ours("stop -c frpc.toml --api-timeout 5s");
    assert_eq!((said.code, said.out.as_str()), (Some(0), "stop success\n"));
    frpc.0.wait().unwrap();
    same(&dir, &real, status);
}
