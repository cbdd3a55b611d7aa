//! What a human is told of a link, at the far end of a webhook.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::Value;

use super::*;

/// Listens for notices; the first times that each is sent it is out of order.
struct Hook {
    url: String,
    got: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    fn refusing(times: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            let mut refused = 0;
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let event = event(&mut stream);
                let word = if refused < times {
                    refused += 1;
                    "503 Busy"
                } else {
                    refused = 0;
                    kept.lock().unwrap().push(event);
                    "200 OK"
                };
                let end = "content-length: 0\r\nconnection: close\r\n\r\n";
                write!(stream, "HTTP/1.1 {word}\r\n{end}").unwrap();
            }
        });
        Self { url, got }
    }

    fn events(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

/// The event of the one notice in a request.
fn event(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let notice: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(notice.get("site"), Some(&"far".into()));
    let event = notice.get("event").and_then(Value::as_str);
    event.unwrap().to_owned()
}

#[test]
fn the_end_the_loss_and_the_return_of_a_link_reach_a_webhook_once_each_though_it_fails_at_first() {
    let hook = Hook::refusing(2);
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let night = Night::new(sshd, "socket: SOCKET, lifetime: 1h", "", 1);
    let config = fs::read_to_string(night.path().join("outrigger.yaml")).unwrap();
    let notify = format!("notify: {{webhook: '{}', ", hook.url);
    night.write(
        "outrigger.yaml",
        config.replace("notify: {", &notify).as_bytes(),
    );
    let watch = || {
        let look = || night.command("connection watch --once").spawn().unwrap();
        for mut watcher in [look(), look()] {
            watcher.wait().unwrap();
        }
        night.answers(
            "connection watch --once",
            if night.sshd.socket().exists() { 0 } else { 3 },
        );
    };
    watch();
    assert_eq!(hook.events(), [""; 0]);
    night.age(Duration::from_mins(40));
    watch();
    assert_eq!(hook.events(), ["link-ending"]);
    night.sshd.drop_connections();
    until("the master goes", || !night.sshd.socket().exists());
    watch();
    assert_eq!(hook.events(), ["link-ending", "login-needed"]);
    night.sshd.open_master();
    watch();
    let all = ["link-ending", "login-needed", "link-back"];
    assert_eq!(hook.events(), all);
    let told = night.told();
    let told = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<Value> = told.map(|notice| notice["event"].clone()).collect();
    assert_eq!(told, all, "the command is told the same");
}
