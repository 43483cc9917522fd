#include "COpenSSL.h"

static int choose_protocol(
    SSL *session, const unsigned char **out, unsigned char *length, const unsigned char *offered,
    unsigned int offered_length, void *unused) {
  static const unsigned char ours[] = "\x08http/1.1";
  (void)session;
  (void)unused;
  int found = SSL_select_next_proto((unsigned char **)out, length, ours, sizeof ours - 1, offered, offered_length);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int no_passphrase(char *buffer, int size, int writing, void *unused) {
  (void)buffer;
  (void)size;
  (void)writing;
  (void)unused;
  return -1;
}

int berth_tls_prepare(SSL_CTX *context, int oldest, int newest) {
  static const unsigned char offered[] = "\x08http/1.1";
  SSL_CTX_set_mode(
      context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
  return SSL_CTX_set_min_proto_version(context, oldest) == 1 &&
         SSL_CTX_set_max_proto_version(context, newest) == 1 &&
         SSL_CTX_set_alpn_protos(context, offered, sizeof offered - 1) == 0;
}

void berth_x509_names(
    X509 *certificate, void (*each)(void *to, int kind, const unsigned char *text, int length), void *to) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  if (!names) return;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI && name->type != GEN_DNS) continue;
    const ASN1_IA5STRING *text = name->type == GEN_URI ? name->d.uniformResourceIdentifier : name->d.dNSName;
    each(to, name->type == GEN_URI ? 0 : 1, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
  }
  GENERAL_NAMES_free(names);
}

X509 *berth_tls_authority(const SSL *session) {
  STACK_OF(X509) *chain = SSL_get0_verified_chain(session);
  int count = chain ? sk_X509_num(chain) : 0;
  return count > 0 ? sk_X509_value(chain, count - 1) : NULL;
}

int berth_x509_random_serial(X509 *certificate) {
  BIGNUM *number = BN_new();
  int done = number && BN_rand(number, 126, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
             BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
  BN_free(number);
  return done;
}

int berth_x509_extend(X509 *certificate, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  if (!extension) return 0;
  int done = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return done;
}
