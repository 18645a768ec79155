//! Redirects: followed by us, each checked anew.

use super::*;

/// A server that redirects `/N` to `/N-1` and answers at `/0`; other paths say where to go themselves: `/to?URL`.
async fn server() -> Server {
    Server::start(|request| {
        let path = request.split(' ').nth(1).unwrap();
        let status = if request.starts_with("PUT") { "307 Go" } else { "302 Go" };
        match path.split_once('?') {
            Some((_, to)) => response(status, &format!("location: {to}\r\n"), "ignored"),
            None => match path[1..].parse::<u32>() {
                Ok(0) | Err(_) => response("200 OK", "", "here"),
                Ok(number) => response(status, &format!("location: /{}\r\n", number - 1), "ignored"),
            },
        }
    })
    .await
}

#[tokio::test]
async fn redirects_are_followed_up_to_their_number() {
    let server = server().await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let mut egress = Setup::new(&[&base]).egress();
    let fetched = get(&mut egress, &format!("{base}/5")).await.unwrap();
    assert_eq!((fetched.body.as_slice(), fetched.url), (&b"here"[..], format!("{base}/0")));
    let failure = get(&mut egress, &format!("{base}/6")).await.unwrap_err();
    assert_eq!(failure.code, "too_many_redirects");
    assert!(failure.message.contains("`redirects`"), "{failure}");
    let mut egress = Setup::new(&[&base]).change(|grant| grant.redirects = 0).egress();
    assert_eq!(get(&mut egress, &format!("{base}/1")).await.unwrap().status, 302, "the guest sees it itself");
}

#[tokio::test]
async fn denied_is_a_redirect_to_what_is_not_granted_or_to_a_private_address() {
    let (server, other) = (server().await, server().await);
    let port = server.at.port();
    let names: &[(&str, &[&str])] = &[("a.test", &["127.0.0.1"]), ("b.test", &["127.0.0.1"])];
    let setup = Setup::new(&[&format!("http://a.test:{port}"), "http://b.test"]).named(names);
    let mut setup = setup;
    setup.http[1].private = false;
    let mut egress = setup.egress();
    for (to, code) in [
        (format!("http://127.0.0.1:{}/", other.at.port()), "not_granted"),
        ("http://c.test/".to_owned(), "not_granted"),
        ("http://b.test/".to_owned(), "address_denied"),
        ("file:///etc/passwd".to_owned(), "bad_response"),
        ("http://me:pw@a.test/".to_owned(), "bad_response"),
    ] {
        let failure = get(&mut egress, &format!("http://a.test:{port}/to?{to}")).await.unwrap_err();
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.code != "not_granted" || failure.message.contains("redirects there"), "{failure}");
    }
    assert_eq!(other.asked().len(), 0);
}

#[tokio::test]
async fn nothing_of_a_secret_is_sent_to_another_server() {
    let (server, other) = (server().await, server().await);
    let (base, elsewhere) =
        (format!("http://127.0.0.1:{}", server.at.port()), format!("http://127.0.0.1:{}", other.at.port()));
    let setup = Setup { secret: secret(&[]), ..Setup::new(&[&base, &elsewhere]) };
    let mut egress = setup.egress();
    let shown = egress.vault().show("p", "key").unwrap();
    let header = |name: &str, value: String| (name.to_owned(), value);
    let headers = vec![
        header("authorization", "Bearer plain".to_owned()),
        header("cookie", "plain".to_owned()),
        header("x-key", shown.clone()),
        header("x-other", "stays".to_owned()),
    ];
    let to = |method: &str, body: &[u8]| Asked {
        headers: headers.clone(),
        body: body.to_vec(),
        ..asked(method, &format!("{base}/to?{elsewhere}/there"))
    };
    assert_eq!(egress.fetch(to("GET", b"")).await.0.unwrap().body, b"here");
    assert!(server.asked()[0].contains("x-key: hunter2!"));
    let seen = other.asked()[0].clone();
    assert!(seen.contains("x-other: stays") && !seen.contains("plain") && !seen.contains("x-key"), "{seen}");
    assert_eq!(code(egress.fetch(to("PUT", shown.as_bytes())).await.0), "not_granted");
    assert_eq!(egress.fetch(to("PUT", b"plain")).await.0.unwrap().status, 200, "a 307 keeps method and body");
    assert!(other.asked()[1].starts_with("PUT /there") && other.asked()[1].ends_with("plain"));
    egress.fetch(to("POST", shown.as_bytes())).await.0.unwrap();
    assert!(other.asked()[2].starts_with("GET /there"), "a 302 of a POST becomes a GET without a body");
}
