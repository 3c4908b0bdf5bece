use super::*;

fn host(name: &str, port: u16) -> Host {
    let name = name.into();
    Host { name, port }
}

fn login(user: Option<&str>, word: Option<&str>) -> Login {
    Login {
        username: user.map(Into::into),
        password: word.map(Into::into),
    }
}

fn target(place: Place, db: u32, login: Login) -> Target {
    Target {
        place,
        db,
        tls: false,
        login,
    }
}

fn server(name: &str, port: u16, db: u32, user: Option<&str>, word: Option<&str>) -> Target {
    target(Place::Server(host(name, port)), db, login(user, word))
}

fn sentinels(hosts: &[Host], db: u32, ours: Login, theirs: Login) -> Target {
    let place = Place::Sentinels {
        hosts: hosts.to_vec(),
        master: "mymaster".into(),
        login: theirs,
    };
    target(place, db, ours)
}

#[test]
fn what_a_url_says_is_understood() {
    let none = || login(None, None);
    let (a, b) = (host("a", 26379), host("b", 1));
    let socket = |db| target(Place::Socket("/run/r.sock".into()), db, none());
    for (url, expected) in [
        ("redis://a", server("a", 6379, 0, None, None)),
        ("redis://a/", server("a", 6379, 0, None, None)),
        ("redis://a:1/15", server("a", 1, 15, None, None)),
        ("redis://[::1]:7/2", server("::1", 7, 2, None, None)),
        ("redis://[::1]", server("::1", 6379, 0, None, None)),
        ("redis://:pw@a", server("a", 6379, 0, None, Some("pw"))),
        ("redis://u@a", server("a", 6379, 0, Some("u"), None)),
        (
            "redis://u:p%40%3a@/b@a:9",
            server("a", 9, 0, Some("u"), Some("p@:@/b")),
        ),
        ("unix:///run/r.sock", socket(0)),
        ("redis+unix:///run/r.sock?db=3", socket(3)),
        (
            "redis+unix://u:p@/a%20b@/r%40s",
            target(
                Place::Socket("/r@s".into()),
                0,
                login(Some("u"), Some("p@/a b")),
            ),
        ),
        (
            "redis+sentinel://a,b:1/mymaster",
            sentinels(&[a.clone(), b.clone()], 0, none(), none()),
        ),
        (
            "redis+sentinel://u:p@a/mymaster/2?sentinel_user=s&sentinel_password=%3f",
            sentinels(
                &[a],
                2,
                login(Some("u"), Some("p")),
                login(Some("s"), Some("?")),
            ),
        ),
        (
            "redis+cluster://b:1,[::1]:7/",
            target(Place::Cluster(vec![b.clone(), host("::1", 7)]), 0, none()),
        ),
        (
            "redis+cluster://:p@b:1/0",
            target(Place::Cluster(vec![b]), 0, login(None, Some("p"))),
        ),
    ] {
        assert_eq!(Target::parse(url).unwrap(), expected, "{url}");
    }
}

#[test]
fn what_is_wrong_is_named_and_the_password_is_not() {
    let many = format!("redis+cluster://u:s3cret@a{}", ",a".repeat(32));
    for (url, named) in [
        ("", "look like"),
        ("u:s3cret@a:1", "look like"),
        ("http://u:s3cret@a", "scheme"),
        ("s3cret://a#", "scheme"),
        ("u:s3cret@a,redis+sentinel://b?x&x", "scheme"),
        ("redis://u:s3cret@a:0", "port"),
        ("redis://u:s3cret@a:70000", "port"),
        ("redis://u:s3cret@a:x", "port"),
        ("redis://u:s3cret", "port"),
        ("redis://u:s3cret@a/x", "database"),
        ("redis://u:s3cret@a/-1", "database"),
        ("redis://u:s3cret@a,b", "more than one host"),
        ("redis://u:s3cret@a?password=s3cret", "parameters"),
        ("redis://u:s3cret@a/0#insecure", "after #"),
        ("redis://u:s3cret@", "host"),
        ("redis://u:s3cret@::1", "brackets"),
        ("redis://u:s3cret@[::1", "brackets"),
        ("redis://u:s3cret%4@a", "percent-encoded"),
        ("redis://u:s3cret%ff@a", "percent-encoded"),
        ("redis+unix://u:s3cret@a/b", "socket"),
        ("unix://u:s3cret@/", "socket"),
        ("unix://u:s3cret@/a%00", "path"),
        ("unix:///a?db=s3cret", "database"),
        ("unix:///a?pass=s3cret", "parameters"),
        ("unix:///a?db=1&db=s3cret", "twice"),
        ("redis+sentinel://u:s3cret@a", "master's name"),
        ("redis+sentinel://u:s3cret@a/", "master's name"),
        ("redis+sentinel://u:s3cret@a/m%20m", "master's name"),
        ("redis+sentinel://u:s3cret/mymaster", "port"),
        ("redis+sentinel://u:s3cret@a,/mymaster", "host"),
        ("redis+sentinel://u:s3cret@a/mymaster/x", "database"),
        ("redis+sentinel://a/m?sentinel_password=s3cret%", "percent"),
        ("redis+cluster://u:s3cret@a/1", "database but 0"),
        ("redis+cluster://u:s3cret@a/x", "database"),
        (&many, "32 hosts"),
    ] {
        let error = Target::parse(url).expect_err(url);
        let text = format!("{error} {error:?}");
        assert!(error.is_config() && text.contains(named), "{url}: {text}");
        assert!(!text.contains("s3cret"), "{url}: {text}");
    }
}

#[test]
fn no_text_form_shows_a_password() {
    for (url, shown) in [
        ("redis://u:s3cret@[::1]:7/2", "redis://[::1]:7/2"),
        (
            "unix://u:s3cret@/a%25b%40?db=1",
            "redis+unix:///a%25b%40?db=1",
        ),
        (
            "redis+sentinel://u:s3cret@a,b:1/m?sentinel_password=s3cret",
            "redis+sentinel://a:26379,b:1/m/0",
        ),
        ("redis+cluster://u:s3cret@a", "redis+cluster://a:6379/"),
    ] {
        let target = Target::parse(url).unwrap();
        assert_eq!(target.to_string(), shown);
        assert!(!format!("{target:?}").contains("s3cret"));
        assert_eq!(Target::parse(shown).unwrap().to_string(), shown);
    }
}

#[test]
fn encryption_is_a_feature_and_its_absence_is_said() {
    for scheme in ["rediss", "rediss+sentinel", "rediss+cluster"] {
        let url = format!("{scheme}://u:s3cret@a/{}", "0");
        match Target::parse(&url) {
            Ok(target) => assert!(cfg!(feature = "tls") && target.tls, "{target}"),
            Err(error) => {
                let text = error.to_string();
                assert!(!cfg!(feature = "tls") && text.contains("\"tls\""), "{text}");
            }
        }
    }
}
