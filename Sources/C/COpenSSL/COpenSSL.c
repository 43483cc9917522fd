#define _GNU_SOURCE
#include "COpenSSL.h"

#include <time.h>

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

long long berth_x509_ends(const X509 *certificate) {
  struct tm when;
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) return -1;
  return (long long)timegm(&when);
}

static int leads_to(X509_STORE *store, X509 *first, STACK_OF(X509) *others, int purpose) {
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  int done = context && X509_STORE_CTX_init(context, store, first, others) == 1 &&
             X509_STORE_CTX_set_purpose(context, purpose) == 1 && X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  return done;
}

int berth_x509_leads_to(const char *file, const char *authorities) {
  int found = -1;
  X509_STORE *store = X509_STORE_new();
  STACK_OF(X509) *others = sk_X509_new_null();
  BIO *input = BIO_new_file(file, "r");
  X509 *first = input ? PEM_read_bio_X509(input, NULL, NULL, NULL) : NULL;
  if (store && others && first && X509_STORE_load_file(store, authorities) == 1) {
    X509 *next;
    while ((next = PEM_read_bio_X509(input, NULL, NULL, NULL)) && sk_X509_push(others, next) > 0) continue;
    found = leads_to(store, first, others, X509_PURPOSE_SSL_SERVER) &&
            leads_to(store, first, others, X509_PURPOSE_SSL_CLIENT);
  }
  X509_free(first);
  BIO_free(input);
  sk_X509_pop_free(others, X509_free);
  X509_STORE_free(store);
  ERR_clear_error();
  return found;
}

int berth_x509_carries(X509 *certificate, const char *name) {
  return X509_check_ip_asc(certificate, name, 0) == 1 ||
         X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

int berth_public_key_digest(EVP_PKEY *key, unsigned char out[32]) {
  unsigned char *bytes = NULL;
  int length = i2d_PUBKEY(key, &bytes);
  unsigned int count = 0;
  int done = length > 0 && EVP_Digest(bytes, (size_t)length, out, &count, EVP_sha256(), NULL) == 1 && count == 32;
  OPENSSL_free(bytes);
  return done;
}

X509_REQ *berth_x509_request(EVP_PKEY *key, const char *common_name) {
  X509_REQ *request = X509_REQ_new();
  int done = request && X509_REQ_set_version(request, 0) == 1 &&
             X509_NAME_add_entry_by_txt(
                 X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1,
                 0) == 1 &&
             X509_REQ_set_pubkey(request, key) == 1 && X509_REQ_sign(request, key, EVP_sha256()) > 0;
  if (done) return request;
  X509_REQ_free(request);
  return NULL;
}
