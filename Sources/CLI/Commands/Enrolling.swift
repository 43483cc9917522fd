internal import Client
internal import Config
internal import Platform
internal import Wire

/// `berth cert enrol`: a key made here, a request signed there, and three files.
func enrol(_ run: Invocation) throws(Failure) -> ExitCode {
  let place = EnrolmentPlace(run["dir"])
  guard !(try place.has(.certificate)) else {
    throw Failure(
      .refused, "\(place.path(.certificate)) is there already", hints: ["nothing was asked for: move it away first"])
  }
  let made = try place.request()
  var body = Body(run.arguments)
  body.set("request", .string(String(decoding: made.request, as: UTF8.self)))
  let answer = try run.send(run.call(.post, "enrolments", body: body))
  let told: JSONValue
  do throws(ClientFault) { told = try answer.value() } catch { throw Failure(error) }
  guard let certificate = told["certificate"]?.string, let authority = told["authority"]?.string else {
    throw Failure(.refused, "the server's answer holds no certificate")
  }
  var files = [EnrolmentPlace.Name.certificate, .key]
  if !(try place.has(.authority)) {
    try place.keep(Array(authority.utf8), .authority)
    files.append(.authority)
  }
  try place.keep(Array(certificate.utf8), .certificate)
  run.io.print(files.map { place.path($0) + "\n" }.joined())
  run.io.remark("this machine is \(printable(cellText(told.at("uri"))))")
  return .ok
}

/// The directory in which an agent's key and certificate lie.
private struct EnrolmentPlace {
  enum Name: String {
    case key = "agent.key"
    case certificate = "agent.pem"
    case authority = "ca.pem"
  }

  private let directory: String?

  init(_ directory: String?) { self.directory = directory }

  func path(_ name: Name) -> String { directory.map { "\($0)/\(name.rawValue)" } ?? name.rawValue }

  func has(_ name: Name) throws(Failure) -> Bool {
    do throws(FileFault) { return try FileSystem.kind(of: path(name)) != .absent } catch {
      throw Failure(.refused, "\(error)")
    }
  }

  /// A request for the key that is there, or for a new one, which is kept before anything is asked: what is signed for
  /// a key that is lost is lost too.
  func request() throws(Failure) -> CertificateRequest {
    let kept: [UInt8]?
    do throws(SecretFile.Fault) { kept = try SecretFile.read(path(.key)) } catch { throw Failure(.refused, "\(error)") }
    let made: CertificateRequest
    do throws(TLSFault) { made = try CertificateRequest.make(name: "agent", key: kept) } catch {
      throw Failure(.refused, "\(path(.key)): \(error.sentence)")
    }
    if kept == nil { try keep(made.key, .key) }
    return made
  }

  func keep(_ bytes: [UInt8], _ name: Name) throws(Failure) {
    do throws(FileFault) {
      if let directory { try FileSystem.makeDirectory(directory) }
      let file = try File(path(name), .createNew)
      try file.write(bytes, at: 0)
      try file.sync()
    } catch { throw Failure(.refused, "\(error)") }
  }
}
