//! The service class Berth is measured against: an address service that keeps everything in memory and loses
//! it when it ends. hyper and tokio in front; behind them one RwLock around two hash maps and a free list;
//! serde_json both ways. Written plainly, as such services are, with nothing left out that they do per request
//! and nothing put in to slow it down: the next address is a cursor plus a Vec of released ones (O(1)), and no
//! lock is held across an await.
//!
//! It answers the simple API (allocate, get, release, stats, health), and the bulk allocation of the full API
//! so that it can be filled by the same driver.

mod pool;

use hyper::header::{HeaderValue, CONTENT_TYPE};
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Method, Request, Response, Server, StatusCode};
use pool::{Failure, Pool};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, RwLock};

const BODY_LIMIT: usize = 1 << 20;
const OWNER_LIMIT: usize = 128;

type Shared = Arc<RwLock<Pool>>;

#[derive(Deserialize)]
struct AllocateBody {
    vm_id: String,
    hostname: Option<String>,
}

#[derive(Deserialize)]
struct BulkBody {
    owner: String,
    count: u32,
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'a str,
    status: u16,
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::to_vec(value).unwrap()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn problem(status: StatusCode, code: &str) -> Response<Body> {
    json(status, &Problem { code, status: status.as_u16() })
}

fn refuse(failure: Failure) -> Response<Body> {
    match failure {
        Failure::Exhausted => problem(StatusCode::SERVICE_UNAVAILABLE, "pool_exhausted"),
        Failure::NotAllocated => problem(StatusCode::NOT_FOUND, "not_allocated"),
        Failure::OutsidePool => problem(StatusCode::BAD_REQUEST, "address_outside_pool"),
    }
}

fn valid(owner: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:@-".contains(&b);
    !owner.is_empty() && owner.len() <= OWNER_LIMIT && owner.bytes().all(allowed)
}

async fn read_body(request: Request<Body>) -> Option<hyper::body::Bytes> {
    let length = request.headers().get("content-length")?.to_str().ok()?.parse::<usize>().ok()?;
    if length > BODY_LIMIT {
        return None;
    }
    hyper::body::to_bytes(request.into_body()).await.ok()
}

async fn allocate(pool: &Shared, request: Request<Body>) -> Response<Body> {
    let bytes = match read_body(request).await {
        Some(bytes) => bytes,
        None => return problem(StatusCode::BAD_REQUEST, "bad_body"),
    };
    let body: AllocateBody = match serde_json::from_slice(&bytes) {
        Ok(body) => body,
        Err(_) => return problem(StatusCode::BAD_REQUEST, "bad_body"),
    };
    if !valid(&body.vm_id) {
        return problem(StatusCode::BAD_REQUEST, "bad_owner");
    }
    let result = pool.write().unwrap().allocate(body.vm_id, body.hostname);
    match result {
        Ok((answer, true)) => json(StatusCode::CREATED, &answer),
        Ok((answer, false)) => json(StatusCode::OK, &answer),
        Err(failure) => refuse(failure),
    }
}

async fn allocate_many(pool: &Shared, request: Request<Body>) -> Response<Body> {
    let bytes = match read_body(request).await {
        Some(bytes) => bytes,
        None => return problem(StatusCode::BAD_REQUEST, "bad_body"),
    };
    let body: BulkBody = match serde_json::from_slice(&bytes) {
        Ok(body) => body,
        Err(_) => return problem(StatusCode::BAD_REQUEST, "bad_body"),
    };
    if !valid(&body.owner) || body.count == 0 || body.count > 1024 {
        return problem(StatusCode::BAD_REQUEST, "bad_body");
    }
    let mut answers = Vec::with_capacity(body.count as usize);
    let mut pool = pool.write().unwrap();
    for index in 0..body.count {
        match pool.allocate(format!("{}#{}", body.owner, index), None) {
            Ok((answer, _)) => answers.push(answer),
            Err(failure) => return refuse(failure),
        }
    }
    json(StatusCode::CREATED, &serde_json::json!({ "allocations": answers }))
}

fn release_by_ip(pool: &Shared, text: &str) -> Response<Body> {
    let address = match text.parse::<Ipv4Addr>() {
        Ok(address) => u32::from(address),
        Err(_) => return problem(StatusCode::BAD_REQUEST, "bad_address"),
    };
    let result = pool.write().unwrap().release_address(address);
    result.map_or_else(refuse, |answer| json(StatusCode::OK, &answer))
}

async fn route(pool: Shared, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let response = match (request.method(), path.strip_prefix("/api/v1/")) {
        (&Method::GET, Some("health")) => json(StatusCode::OK, &serde_json::json!({ "status": "ok" })),
        (&Method::POST, Some("ip/allocate")) => allocate(&pool, request).await,
        (&Method::POST, Some("pools/default/allocations")) => allocate_many(&pool, request).await,
        (&Method::GET, Some("ip/stats")) => json(StatusCode::OK, &pool.read().unwrap().stats()),
        (&Method::GET, Some(rest)) if rest.starts_with("ip/") => {
            let answer = pool.read().unwrap().get(&rest["ip/".len()..]);
            answer.map_or_else(refuse, |answer| json(StatusCode::OK, &answer))
        }
        (&Method::DELETE, Some(rest)) if rest.starts_with("ip/release-by-ip/") => {
            release_by_ip(&pool, &rest["ip/release-by-ip/".len()..])
        }
        (&Method::DELETE, Some(rest)) if rest.starts_with("ip/release/") => {
            let result = pool.write().unwrap().release(&rest["ip/release/".len()..]);
            result.map_or_else(refuse, |answer| json(StatusCode::OK, &answer))
        }
        _ => problem(StatusCode::NOT_FOUND, "no_such_route"),
    };
    Ok(response)
}

fn argument(name: &str, default: &str) -> String {
    let arguments: Vec<String> = std::env::args().collect();
    let found = arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1));
    found.cloned().unwrap_or_else(|| default.to_string())
}

fn main() {
    let listen: SocketAddr = argument("--listen", "127.0.0.1:8081").parse().expect("--listen HOST:PORT");
    let workers: usize = argument("--workers", "2").parse().expect("--workers N");
    let pool = Pool::new(&argument("--network", "10.0.0.0/8")).expect("--network A.B.C.D/N, N from 8 to 30");
    let shared: Shared = Arc::new(RwLock::new(pool));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
    runtime.block_on(async move {
        let service = make_service_fn(move |_| {
            let shared = shared.clone();
            async move { Ok::<_, Infallible>(service_fn(move |request| route(shared.clone(), request))) }
        });
        let server = Server::bind(&listen).tcp_nodelay(true).serve(service);
        println!("listening on {}", server.local_addr());
        server.await.unwrap();
    });
}
