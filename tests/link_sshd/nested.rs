//! A front end behind a bastion that forwards nothing.

use super::*;

/// A bastion with a master to it, a front end, and what the bastion's own ssh was asked for.
struct Nested {
    front_end: Sshd,
    bastion: Sshd,
}

impl Nested {
    fn start() -> Self {
        let nested = Self {
            front_end: Sshd::ordinary(),
            bastion: Sshd::ordinary(),
        };
        let (front_end, bastion) = (&nested.front_end, &nested.bastion);
        let config = front_end.path().join("ssh_config");
        fs::create_dir(bastion.path().join("bin")).unwrap();
        let text = format!(
            "#!/bin/sh\nprintf '<%s>' \"$@\" >>{}\nexec /usr/bin/ssh -F {} \"$@\"\n",
            nested.asked().display(),
            config.display()
        );
        bastion.script("bin/ssh", &text);
        let text = format!(
            "#!/bin/sh\nPATH={}/bin:$PATH\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
            bastion.path().display()
        );
        bastion.only(&bastion.script("bastion", &text));
        bastion.open_master();
        nested
    }

    fn asked(&self) -> std::path::PathBuf {
        self.bastion.path().join("asked")
    }

    /// The way through, as `user`, to the front end by its own `name`.
    async fn host(&self, name: &str, user: Option<&str>) -> Host {
        let mut ssh = self.bastion.connection(5);
        ssh.host = name.to_owned();
        ssh.user = user.map(str::to_owned);
        ssh.jump = Some("site".into());
        ssh.nested = true;
        let patience = Patience {
            between: Duration::from_millis(200),
            ..Patience::default()
        };
        Host::attach_with("lab", &ssh, patience).await.unwrap()
    }

    /// The front end refuses every login from now on.
    fn close_front_end(&self) {
        fs::write(self.front_end.path().join("authorized"), "").unwrap();
    }

    fn open_front_end(&self) {
        let at = |name| self.front_end.path().join(name);
        fs::copy(at("id.pub"), at("authorized")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_end_that_its_bastion_cannot_reach_is_a_link_that_is_down() {
    let nested = Nested::start();
    let host = nested.host("site", None).await;
    host.probe(Duration::from_secs(10)).await.unwrap();
    let own = host.script("exit 255", &[]).await.unwrap();
    assert_eq!(own.code, 255, "a command's own exit code stays one");
    nested.close_front_end();
    let refused = host.probe(Duration::from_secs(10)).await.unwrap_err();
    let text = refused.to_string();
    assert!(refused.is_down(), "{text}");
    assert!(text.contains("its `ssh site` ends with 255"), "{text}");
    assert!(text.contains("Permission denied"), "{text}");
    assert!(
        text.contains("`ssh site true` works on the bastion"),
        "{text}"
    );
    let lost = host.run(&argv(&["echo", "x"]), None).await.unwrap_err();
    assert!(lost.is_down(), "{lost}");
    nested.open_front_end();
    let back = host.run(&argv(&["echo", "x"]), None).await.unwrap();
    assert_eq!(back.out(), "x\n");
    assert_eq!(nested.bastion.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_front_end_goes_away_meanwhile_is_lost_and_did_not_fail() {
    let nested = Nested::start();
    let host = nested.host("site", None).await;
    let fifos = fifos(&nested.bastion);
    let [started, release] = fifos.clone();
    let riding = host.clone();
    let held =
        tokio::spawn(async move { riding.script(r#"echo >"$1"; read x <"$2""#, &fifos).await });
    tokio::task::spawn_blocking(move || fs::read(started).unwrap())
        .await
        .unwrap();
    nested.close_front_end();
    nested.front_end.drop_connections();
    let error = held.await.unwrap().unwrap_err();
    assert!(error.is_down(), "{error}");
    tokio::task::spawn_blocking(move || fs::write(release, "\n").unwrap())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_and_the_port_of_a_front_end_are_words_of_the_bastions_ssh() {
    let nested = Nested::start();
    let host = nested.host("site:1", Some("no'body")).await;
    let nobody = host.run(&argv(&["true"]), None).await.unwrap_err();
    assert!(nobody.is_down(), "{nobody}");
    let asked = fs::read_to_string(nested.asked()).unwrap();
    let words = "<-o><BatchMode=yes><-o><ConnectTimeout=10><-l><no'body><-p><1><site><";
    assert!(asked.starts_with(words), "{asked}");
}
