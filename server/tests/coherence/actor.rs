//! Those who ask, one request after the other, and record what they are answered.

use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::load::{Inner, PROJECTS};
use super::record::{Kind, Record};
use super::support::PASSWORD;

/// A process that stands still holds a reader up for so long.
const READ: Duration = Duration::from_secs(2);
/// The pause of writers, so that most requests are reads.
const PAUSE: Duration = Duration::from_millis(20);

/// One that asks, one request after the other.
pub struct Actor {
    pub load: Arc<Inner>,
    pub records: mpsc::UnboundedSender<Record>,
    pub stop: CancellationToken,
}

struct Answered {
    replica: usize,
    asked: Instant,
    at: Instant,
    status: StatusCode,
    body: Value,
}

impl Actor {
    fn goes_on(&self) -> bool {
        !self.stop.is_cancelled()
    }

    /// Some process; each in turn, over all actors.
    fn replica(&self) -> usize {
        let turn = self.load.turn.fetch_add(1, Ordering::Relaxed);
        // Neither even nor odd turns stay with one actor.
        usize::try_from(turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).unwrap()
            % self.load.replicas.len()
    }

    /// Sends a request. None where no answer came, so that nobody knows what became of it.
    async fn send(
        &self,
        replica: usize,
        token: &str,
        (method, path): (&str, &str),
        body: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Option<Answered> {
        let url = format!("{}{path}", self.load.replicas[replica]);
        let request = self.load.client.request(method.parse().unwrap(), url);
        let mut request = body(request).bearer_auth(token);
        if method == "GET" {
            // Of a write it must be known what became of it.
            request = request.timeout(READ);
        }
        let asked = Instant::now();
        let response = request.send().await.ok()?;
        let status = response.status();
        let text = response.bytes().await.ok()?;
        let at = Instant::now();
        if status.is_server_error() {
            self.load.errors.fetch_add(1, Ordering::Relaxed);
            println!(
                "{method} {path}: {status} {}",
                String::from_utf8_lossy(&text)
            );
            return None;
        }
        Some(Answered {
            replica,
            asked,
            at,
            status,
            body: serde_json::from_slice(&text).unwrap_or(Value::Null),
        })
    }

    fn record(&self, subject: String, answered: &Answered, kind: Kind) {
        if matches!(kind, Kind::Read(_)) {
            self.load.reads.fetch_add(1, Ordering::Relaxed);
        }
        let record = Record {
            subject,
            replica: answered.replica,
            asked: answered.asked,
            answered: answered.at,
            kind,
        };
        self.records.send(record).unwrap();
    }

    pub async fn rename(self, number: usize) {
        let project = &self.load.projects[number];
        let path = format!("/api/v2/projects/{}", project.id);
        let mut version = 0;
        while self.goes_on() {
            version += 1;
            let name = json!({"name": version.to_string()});
            let sent = self.send(self.replica(), &project.owner, ("PATCH", &path), |it| {
                it.header("If-Match", "*").json(&name)
            });
            if let Some(answered) = sent.await {
                assert_eq!(answered.status, StatusCode::OK);
                self.record(format!("name {number}"), &answered, Kind::Wrote(version));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub async fn upload(self, number: usize) {
        let project = &self.load.projects[number];
        let path = format!("/api/v2/projects/{}/uploads?name=a.csv", project.id);
        let (mut acknowledged, mut content) = (0, 0);
        while self.goes_on() {
            content += 1;
            let sent = self.send(self.replica(), &project.owner, ("POST", &path), |it| {
                it.body(format!("a\n{content}\n"))
            });
            if let Some(answered) = sent.await {
                assert_eq!(answered.status, StatusCode::CREATED);
                acknowledged += 1;
                self.record(
                    format!("uploads {number}"),
                    &answered,
                    Kind::Wrote(acknowledged),
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The role is one of three, by turns: the last digit of the version.
    pub async fn change_role(self, number: usize) {
        let project = &self.load.projects[number];
        let path = format!("/api/v2/projects/{}/members", project.id);
        let one = format!("{path}/user/{}", project.member_email);
        let mut version = 0;
        while self.goes_on() {
            version += 1;
            project.roles[0].store(version, Ordering::SeqCst);
            let role = ["", "viewer", "editor"][usize::try_from(version % 3).unwrap()];
            let member = json!({"kind": "user", "name": project.member_email, "role": role});
            let replica = self.replica();
            let sent = if role.is_empty() {
                self.send(replica, &project.owner, ("DELETE", &one), |it| it)
                    .await
            } else {
                let request = ("PUT", path.as_str());
                self.send(replica, &project.owner, request, |it| it.json(&member))
                    .await
            };
            match sent {
                Some(answered) => {
                    assert!(answered.status.is_success(), "{}", answered.status);
                    project.roles[1].store(version, Ordering::SeqCst);
                    self.record(format!("role {number}"), &answered, Kind::Wrote(version));
                }
                // What became of it is not known, so it is not known which role comes next.
                None => return,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A session ends, and no process takes its token any more.
    pub async fn log_in_and_out(self, number: usize) {
        let login = json!({"email": format!("person-{number}@example.com"), "password": PASSWORD});
        let mut version = 0;
        while self.goes_on() {
            version += 1;
            let path = ("POST", "/api/v2/auth/login");
            let Some(session) = self
                .send(self.replica(), "", path, |it| it.json(&login))
                .await
            else {
                continue;
            };
            assert_eq!(session.status, StatusCode::OK);
            let token = session.body["accessToken"].as_str().unwrap().to_owned();
            let refresh = json!({"refreshToken": session.body["refreshToken"]});
            let subject = format!("session {number} {version}");
            let me = async |ended: bool| {
                for replica in 0..self.load.replicas.len() {
                    let me = self.send(replica, &token, ("GET", "/api/v2/users/me"), |it| it);
                    if let Some(answered) = me.await {
                        let refused = answered.status == StatusCode::UNAUTHORIZED;
                        assert!(ended || !refused, "a session that goes on is refused");
                        self.record(subject.clone(), &answered, Kind::Read(refused.into()));
                    }
                }
            };
            me(false).await;
            let path = ("POST", "/api/v2/auth/logout");
            let logout = self.send(self.replica(), "", path, |it| it.json(&refresh));
            if let Some(answered) = logout.await {
                assert_eq!(answered.status, StatusCode::NO_CONTENT);
                self.record(subject.clone(), &answered, Kind::Wrote(1));
                me(true).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub async fn read(self) {
        let mut turn = usize::try_from(self.load.turn.fetch_add(1, Ordering::Relaxed)).unwrap();
        while self.goes_on() {
            turn += 1;
            let number = turn % PROJECTS;
            let project = &self.load.projects[number];
            // By slug and by id, which are cached apart.
            let path = if (turn / PROJECTS).is_multiple_of(2) {
                format!("/api/v2/projects/{}", project.id)
            } else {
                format!("/api/v2/projects/project-{number}")
            };
            let read = ("GET", path.as_str());
            if let Some(answered) = self
                .send(self.replica(), &project.owner, read, |it| it)
                .await
            {
                assert_eq!(answered.status, StatusCode::OK);
                let name = answered.body["name"].as_str().unwrap();
                let version = name.parse().unwrap_or(0);
                self.record(format!("name {number}"), &answered, Kind::Read(version));
                let uploads = answered.body["counts"]["uploads"].as_u64().unwrap();
                self.record(format!("uploads {number}"), &answered, Kind::Read(uploads));
            }
            self.read_role(number, read).await;
        }
    }

    /// A role does not tell its version; but while nothing is written it must be the last one's.
    async fn read_role(&self, number: usize, read: (&str, &str)) {
        let project = &self.load.projects[number];
        let acknowledged = project.roles[1].load(Ordering::SeqCst);
        let Some(answered) = self
            .send(self.replica(), &project.member, read, |it| it)
            .await
        else {
            return;
        };
        let found = match answered.body["role"].as_str() {
            None => 0,
            Some("viewer") => 1,
            Some(_) => 2,
        };
        let begun = project.roles[0].load(Ordering::SeqCst);
        // The greatest version with this role that had begun by then.
        let version = (0..=begun).rev().find(|version| version % 3 == found);
        let version = version.unwrap_or(0);
        if acknowledged > 0 {
            self.record(format!("role {number}"), &answered, Kind::Read(version));
        }
    }
}
