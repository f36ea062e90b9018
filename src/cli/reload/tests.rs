use super::*;
use crate::net::sim::{Far, Link, Sim, Welcome};
use crate::net::{Event, Net};
use crate::proto::time::{millis, sooner};
use std::net::SocketAddr;

/// A reloader, and a client whose server does not answer.
struct World {
    sim: Sim,
    client: Client,
    reloader: Reloader,
}

/// The rest of the world: nobody.
struct Nobody;

impl crate::net::sim::World for Nobody {
    fn connect(&mut self, _: Link, _: SocketAddr, _: &mut Far<'_>) -> Welcome {
        Welcome::Ignore
    }

    fn received(&mut self, _: Link, _: &[u8], _: &mut Far<'_>) {}

    fn ended(&mut self, _: Link, _: bool, _: &mut Far<'_>) {}

    fn drained(&mut self, _: Link, _: &mut Far<'_>) {}

    fn expire(&mut self, _: &mut Far<'_>) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

const HEAD: &str = "serverAddr = \"10.0.0.2\"\nloginFailExit = false\ntransport.tls.enable = false\n";

fn proxy(name: &str, port: u16) -> String {
    format!("[[proxies]]\nname = \"{name}\"\ntype = \"tcp\"\nlocalPort = {port}\n")
}

impl World {
    fn new() -> Self {
        let mut sim = Sim::new(1);
        sim.jobs.slow = millis(30);
        let config = Loader::default().parse("main.toml", &format!("{HEAD}{}", proxy("a", 80))).unwrap().config;
        let machine = Machine { hostname: "sim".to_owned(), memory_available: None };
        let client = Client::new(&config, &machine, sim.now()).unwrap();
        Self { sim, client, reloader: Reloader::new("main.toml", config, machine) }
    }

    fn file(&mut self, name: &str, text: &str) {
        self.sim.jobs.files.insert(name.into(), text.as_bytes().to_vec());
    }

    fn order(&mut self, confirm: Option<Duration>) -> Option<Outcome> {
        let order = Order { loader: Loader::default(), confirm, store: None, asker: Some(7) };
        self.reloader.order(order, &mut self.sim)
    }

    /// Lives until something came of the order.
    fn outcome(&mut self) -> Result<(), Refusal> {
        let mut events = Vec::new();
        for _ in 0..10_000 {
            self.client.turn(&mut self.sim);
            if let Some(outcome) = self.reloader.turn(&mut self.client, &mut self.sim) {
                assert_eq!(outcome.asker, Some(7));
                return outcome.result;
            }
            let deadline = sooner(self.client.deadline(), self.reloader.deadline());
            self.sim.advance(deadline, &mut Nobody, &mut events);
            for event in events.drain(..) {
                let outcome = match event {
                    Event::FilesDone { token, result } if token.port == PORT => {
                        self.reloader.on_files(token, result, &mut self.client, &mut self.sim)
                    }
                    event => {
                        self.client.handle(event, &mut self.sim);
                        None
                    }
                };
                if let Some(outcome) = outcome {
                    return outcome.result;
                }
            }
        }
        panic!("nothing came of it");
    }

    fn names(&self) -> Vec<String> {
        self.client.proxies().into_iter().map(|p| p.name).collect()
    }
}

#[test]
fn a_sound_file_and_what_it_includes_is_taken_over() {
    let mut world = World::new();
    let text = format!("{HEAD}includes = [\"/etc/more/*.toml\"]\n{}", proxy("b", 81));
    world.file("main.toml", &text);
    world.file("/etc/more/one.toml", &proxy("c", 82));
    let start = world.sim.now();
    assert_eq!(world.order(None), None);
    assert_eq!(world.outcome(), Ok(()));
    assert_eq!(world.names(), ["b", "c"]);
    assert_eq!(world.sim.now().since(start), millis(90), "three rounds of files, none of them in the loop");
    assert_eq!(world.reloader.deadline(), None);
}

#[test]
fn whatever_is_wrong_changes_nothing_and_is_said() {
    let bad = [
        (None, "main.toml: no such file"),
        (Some("x".to_owned()), "main.toml:1"),
        (
            Some(format!("{HEAD}{}localport2 = 3\n", proxy("b", 81))),
            "main.toml:8: proxies[0].localport2: unknown field",
        ),
        (Some(format!("{HEAD}includes = [\"/none/*\"]\n{}", proxy("b", 81))), "/none"),
    ];
    for (text, words) in bad {
        let mut world = World::new();
        if let Some(text) = &text {
            world.file("main.toml", text);
        }
        assert_eq!(world.order(None), None);
        match world.outcome() {
            Err(Refusal::Config(said)) => assert!(said.contains(words) || text.is_none(), "{said}"),
            other => panic!("{text:?}: {other:?}"),
        }
        assert_eq!(world.names(), ["a"]);
    }
}

#[test]
fn one_at_a_time_and_not_for_ever() {
    let mut world = World::new();
    world.sim.jobs.slow = secs(3600);
    assert_eq!(world.order(None), None);
    assert!(matches!(world.order(None), Some(Outcome { result: Err(Refusal::Failed(_)), .. })));
    let start = world.sim.now();
    assert!(matches!(world.outcome(), Err(Refusal::Failed(why)) if why.contains("in time")));
    assert_eq!(world.sim.now().since(start), PATIENCE);
    world.sim.jobs.slow = millis(1);
    world.file("main.toml", &format!("{HEAD}{}", proxy("z", 1)));
    assert_eq!(world.order(None), None);
    assert_eq!(world.outcome(), Ok(()), "the next one is not bothered by the last");
}

#[test]
fn a_trial_that_is_not_confirmed_is_taken_back() {
    for head in [HEAD.to_owned(), HEAD.replace("10.0.0.2", "10.0.0.3")] {
        let mut world = World::new();
        world.file("main.toml", &format!("{head}{}", proxy("b", 81)));
        let start = world.sim.now();
        assert_eq!(world.order(Some(secs(60))), None);
        let outcome = world.outcome();
        assert!(matches!(&outcome, Err(Refusal::Failed(why)) if why.contains("there was no login")), "{outcome:?}");
        assert_eq!(world.sim.now().since(start), secs(60) + millis(30));
        assert_eq!((world.names(), world.reloader.config.server_host.as_str()), (vec!["a".to_owned()], "10.0.0.2"));
    }
}

#[test]
fn a_plain_reload_leaves_the_session_and_its_names_alone() {
    let mut world = World::new();
    world.file("main.toml", &format!("{}user = \"u\"\n{}", HEAD.replace("10.0.0.2", "10.0.0.3"), proxy("b", 81)));
    assert_eq!(world.order(None), None);
    assert_eq!(world.outcome(), Ok(()));
    let proxies = world.client.proxies();
    assert_eq!(proxies[0].announce.proxy_name, "b", "the session's user has no name");
    assert_eq!((proxies.len(), world.reloader.config.server_host.as_str()), (1, "10.0.0.2"));
}

#[test]
#[cfg(feature = "json")]
fn a_store_is_written_once_it_is_sound_and_then_counts() {
    let text = format!("{HEAD}store.path = \"store.json\"\n{}", proxy("a", 80));
    let entry =
        |port: &str| format!("{{\"proxies\": [{{\"name\": \"s\", \"type\": \"tcp\", \"localPort\": {port}}}]}}");
    let mut world = World::new();
    world.file("main.toml", &text);
    world.reloader.config.store_path = Some("store.json".to_owned());
    let order = |store: String| Order {
        loader: Loader::default(),
        confirm: None,
        store: Some(store.into_bytes()),
        asker: Some(7),
    };
    assert_eq!(world.reloader.order(order(entry("\"80\"")), &mut world.sim), None);
    assert!(matches!(world.outcome(), Err(Refusal::Config(text)) if text.contains("store.json:1")));
    assert!(!world.sim.jobs.files.contains_key(std::path::Path::new("store.json")), "it was not written");
    assert_eq!(world.reloader.order(order(entry("81")), &mut world.sim), None);
    assert_eq!(world.outcome(), Ok(()));
    assert_eq!(world.names(), ["a", "s"]);
    assert!(world.sim.jobs.files.contains_key(std::path::Path::new("store.json")));
    assert_eq!(world.order(None), None, "and is there for the next reload");
    assert_eq!(world.outcome(), Ok(()));
    assert_eq!(world.names(), ["a", "s"]);
}
