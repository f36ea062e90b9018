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
        self.task(Task::Reload(confirm))
    }

    fn task(&mut self, task: Task) -> Option<Outcome> {
        let order = Order { loader: Loader::default(), task, asker: Some(7) };
        self.reloader.order(order, &mut self.client, &mut self.sim)
    }

    /// Lives until something came of the order.
    fn outcome(&mut self) -> Result<(), Refusal> {
        self.whole_outcome().result
    }

    fn whole_outcome(&mut self) -> Outcome {
        let mut events = Vec::new();
        for _ in 0..10_000 {
            self.client.turn(&mut self.sim);
            if let Some(outcome) = self.reloader.turn(&mut self.client, &mut self.sim) {
                assert_eq!(outcome.asker, Some(7));
                return outcome;
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
                    return outcome;
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
    for _ in 0..MAX_WAITING {
        assert_eq!(world.order(None), None, "it waits");
    }
    assert!(matches!(world.order(None), Some(Outcome { result: Err(Refusal::Failed(_)), .. })));
    world.reloader.waiting.clear();
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
        let (start, started) = (world.sim.now(), world.client.started());
        assert_eq!(world.order(Some(secs(60))), None);
        let outcome = world.outcome();
        assert_eq!(world.client.started(), started, "the program has not started again");
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
    assert_eq!(proxies[0].wire_name, "b", "the session's user has no name");
    assert_eq!((proxies.len(), world.reloader.config.server_host.as_str()), (1, "10.0.0.2"));
}

#[test]
fn a_text_that_might_do_is_looked_into_without_waiting_for_a_disk() {
    let mut world = World::new();
    world.file("/etc/more/one.toml", &proxy("c", 82));
    let text = format!("{HEAD}includes = [\"/etc/more/*.toml\"]\n{}", proxy("b", 81)).into_bytes();
    assert_eq!(world.task(Task::Check(text.clone())), None);
    let start = world.sim.now();
    assert_eq!(world.whole_outcome(), Outcome { asker: Some(7), result: Ok(()), text: Some(text.clone()) });
    assert_eq!(world.sim.now().since(start), millis(60), "a folder and a file");
    world.file("/etc/more/one.toml", "nonsense");
    assert_eq!(world.task(Task::Check(text)), None);
    assert!(matches!(world.outcome(), Err(Refusal::Config(text)) if text.starts_with("/etc/more/one.toml:1")));
    let alone = format!("{HEAD}{}", proxy("b", 81)).into_bytes();
    assert!(matches!(world.task(Task::Check(alone)), Some(Outcome { result: Ok(()), text: Some(_), .. })));
    assert_eq!(world.names(), ["a"], "nothing runs otherwise");
}

#[cfg(feature = "store")]
mod of_the_store {
    use super::*;
    use crate::config::store::{List, Op, change};

    const STORE: &str = "store.json";

    fn create(name: &str, port: u16) -> Task {
        let body = format!("{{\"name\":\"{name}\",\"type\":\"tcp\",\"tcp\":{{\"localPort\":{port}}}}}");
        Task::Change(change(List::Proxies, Op::Create, "", body.as_bytes()).unwrap().0)
    }

    fn delete(name: &str) -> Task {
        Task::Change(change(List::Proxies, Op::Delete, name, &[]).unwrap().0)
    }

    impl World {
        fn with_store() -> Self {
            let mut world = Self::new();
            world.file("main.toml", &format!("{HEAD}store.path = \"{STORE}\"\n{}", proxy("a", 80)));
            world.reloader.config.store_path = Some(STORE.to_owned());
            world
        }

        fn stored(&self) -> String {
            let bytes = self.sim.jobs.files.get(std::path::Path::new(STORE)).cloned().unwrap_or_default();
            String::from_utf8(bytes).unwrap()
        }
    }

    #[test]
    fn a_change_is_written_and_then_counts() {
        let mut world = World::with_store();
        assert_eq!(world.task(create("s", 81)), None);
        assert_eq!(world.outcome(), Ok(()));
        assert_eq!(world.names(), ["a", "s"]);
        assert!(world.stored().contains("\"localPort\": 81"));
        assert_eq!(world.order(None), None, "and is there for the next reload");
        assert_eq!(world.outcome(), Ok(()));
        assert_eq!(world.names(), ["a", "s"]);
        assert_eq!(world.task(delete("s")), None);
        assert_eq!(world.outcome(), Ok(()));
        assert_eq!((world.names(), world.stored().as_str()), (vec!["a".to_owned()], "{}"));
    }

    #[test]
    fn changes_at_once_are_made_one_after_the_other() {
        let mut world = World::with_store();
        for i in 0..10 {
            assert_eq!(world.task(create(&format!("s{i}"), 81 + i)), None);
        }
        assert_eq!(world.task(create("s3", 1)), None);
        assert_eq!(world.order(None), None);
        for _ in 0..10 {
            assert_eq!(world.outcome(), Ok(()));
        }
        assert_eq!(world.outcome(), Err(Refusal::Store(409, "conflict: already exists: proxy \"s3\"".to_owned())));
        assert_eq!(world.outcome(), Ok(()));
        assert_eq!(world.names().len(), 11);
    }

    #[test]
    fn a_file_changed_by_hand_is_taken_as_it_is() {
        let mut world = World::with_store();
        let hand = r#"{"proxies": [{"name":"h",  "type":"tcp","localPort":5,"zz":[1.50]}], "more": {"x":1e400}}"#;
        world.file(STORE, hand);
        assert_eq!(world.task(create("s", 81)), None);
        assert_eq!(world.outcome(), Ok(()));
        assert_eq!(world.names(), ["a", "h", "s"]);
        for part in [r#"{"name":"h",  "type":"tcp","localPort":5,"zz":[1.50]}"#, r#""more": {"x":1e400}"#] {
            assert!(world.stored().contains(part), "{}", world.stored());
        }
    }

    #[test]
    fn what_fails_changes_nothing() {
        for (file, words) in [("{", "store: "), ("{\"proxies\": 1}", "store: "), ("[]", "store: ")] {
            let mut world = World::with_store();
            world.file(STORE, file);
            assert_eq!(world.task(create("s", 81)), None);
            let Err(Refusal::Store(500, text)) = world.outcome() else { panic!("{file}") };
            assert!(text.starts_with(words), "{text}");
            assert_eq!((world.names(), world.stored().as_str()), (vec!["a".to_owned()], file));
        }
        let mut world = World::with_store();
        world.file("main.toml", &format!("{HEAD}nonsense"));
        assert_eq!(world.task(create("s", 81)), None);
        assert!(matches!(world.outcome(), Err(Refusal::Config(text)) if text.starts_with("main.toml:4")));
        assert_eq!((world.names(), world.stored().as_str()), (vec!["a".to_owned()], ""));
        assert_eq!(world.task(delete("s")), None);
        assert_eq!(world.outcome(), Err(Refusal::Store(404, "not found: not found: proxy \"s\"".to_owned())));
        let mut world = World::with_store();
        world.file("main.toml", &format!("{HEAD}store.path = \"other\"\n"));
        assert_eq!(world.task(create("s", 81)), None);
        assert!(matches!(world.outcome(), Err(Refusal::Failed(text)) if text.contains("store.path")));
    }

    #[test]
    fn an_entry_that_is_no_good_can_be_deleted() {
        let mut world = World::with_store();
        world.file(STORE, r#"{"proxies": [{"name":"h","type":"tcp","localPort":70000}]}"#);
        assert_eq!(world.task(create("s", 81)), None);
        assert!(matches!(world.outcome(), Err(Refusal::Config(text)) if text.starts_with("store.json:3")));
        assert_eq!(world.task(delete("h")), None);
        assert_eq!(world.outcome(), Ok(()));
        assert_eq!(world.stored(), "{}");
    }
}
