#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* What Swift does not import: macros, lists made of macros, and callbacks that have to be C. */

/* Speaks TLS from `oldest` to `newest`, sends what fits, keeps no session, compresses and renegotiates nothing, never asks
   a terminal for a passphrase, and takes only http/1.1 from a client that offers a choice. */
int berth_tls_prepare(SSL_CTX *context, int oldest, int newest);

/* The names of a certificate: kind 0 = URI, 1 = DNS, in the order of the certificate, to `each`. */
void berth_x509_names(
    X509 *certificate, void (*each)(void *to, int kind, const unsigned char *text, int length), void *to);

/* The outermost certificate of a chain that was verified; NULL without one. */
X509 *berth_tls_authority(const SSL *session);

/* Adds an extension in OpenSSL's own notation; 0 when it is refused. */
int berth_x509_extend(X509 *certificate, X509 *issuer, int nid, const char *value);

/* A serial number that nobody can guess; 0 when there is no randomness. */
int berth_x509_random_serial(X509 *certificate);

/* Seconds since 1970 at which a certificate ends; -1 when it does not say so. */
long long berth_x509_ends(const X509 *certificate);

/* Whether the first certificate in `file`, with the others there, leads to one in `authorities` and serves both sides of a
   connection: 1 yes, 0 no, -1 when one of them cannot be read. */
int berth_x509_leads_to(const char *file, const char *authorities);

/* Whether a certificate carries a host name or an address. */
int berth_x509_carries(X509 *certificate, const char *name);

/* SHA-256 of a public key as certificates carry it; 0 when it has no such form. */
int berth_public_key_digest(EVP_PKEY *key, unsigned char out[32]);

/* A request for a certificate, signed with its key; NULL when it cannot be made. */
X509_REQ *berth_x509_request(EVP_PKEY *key, const char *common_name);

static inline EVP_PKEY *berth_new_p256_key(void) { return EVP_EC_gen("P-256"); }

static inline int berth_tls_ask_for(SSL *session, const char *name) { return (int)SSL_set_tlsext_host_name(session, name); }

static inline long berth_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

static inline int berth_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
