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

static inline EVP_PKEY *berth_new_p256_key(void) { return EVP_EC_gen("P-256"); }

static inline int berth_tls_ask_for(SSL *session, const char *name) { return (int)SSL_set_tlsext_host_name(session, name); }

static inline long berth_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

static inline int berth_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
